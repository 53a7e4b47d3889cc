package load;

import client.Answer;
import client.Json;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/// How a server is asked, and how its answers are read.
sealed interface Api {
    String path();

    /// Answers 200 when the server can serve.
    String healthPath();

    Map<String, Object> request(LoadOptions options, String prompt, boolean stream);

    /// Reads a whole answer.
    void read(Map<String, Object> answer, Collector into);

    /// Reads one event, or frame, of a streamed answer.
    ///
    /// @return whether it was the last
    boolean readEvent(String text, Collector into);

    /// The worker's own: `/generate` and `/ws`.
    record Worker() implements Api {
        @Override
        public String path() {
            return "/generate";
        }

        @Override
        public String healthPath() {
            return "/ping";
        }

        @Override
        public Map<String, Object> request(LoadOptions options, String prompt, boolean stream) {
            var request = new LinkedHashMap<String, Object>();
            request.put("prompt", prompt);
            request.put("max_tokens", options.maxTokens());
            request.put("temperature", options.temperature());
            if (stream) {
                request.put("stream", true);
            } else {
                request.put("details", true);
            }
            if (options.ignoreEos()) {
                request.put("ignore_eos", true);
            }
            return request;
        }

        @Override
        public void read(Map<String, Object> answer, Collector into) {
            // The seed's worker has no details, and so no count.
            into.total(Json.at(answer, "usage", "completion_tokens") instanceof Double tokens ? tokens : 0);
        }

        @Override
        public boolean readEvent(String text, Collector into) {
            var frame = Json.object(text);
            if (frame.containsKey("token")) {
                into.token();
                return false;
            }
            if (!frame.containsKey("done")) {
                into.failed(Answer.of(text));
            }
            return true;
        }
    }

    /// OpenAI's chat completions.
    record OpenAi(String model) implements Api {
        @Override
        public String path() {
            return "/v1/chat/completions";
        }

        @Override
        public String healthPath() {
            return "/v1/models";
        }

        @Override
        public Map<String, Object> request(LoadOptions options, String prompt, boolean stream) {
            var request = new LinkedHashMap<String, Object>();
            request.put("model", model);
            request.put("messages", List.of(Map.of("role", "user", "content", prompt)));
            request.put("max_tokens", options.maxTokens());
            request.put("temperature", options.temperature());
            if (stream) {
                request.put("stream", true);
                request.put("stream_options", Map.of("include_usage", true));
            }
            if (options.ignoreEos()) {
                request.put("ignore_eos", true);
            }
            return request;
        }

        @Override
        public void read(Map<String, Object> answer, Collector into) {
            if (Json.at(answer, "usage", "completion_tokens") instanceof Double tokens) {
                into.total(tokens);
            }
        }

        @Override
        public boolean readEvent(String text, Collector into) {
            if (text.equals("[DONE]")) {
                return true;
            }
            var chunk = Json.object(text);
            if (chunk.isEmpty() || chunk.containsKey("error")) {
                into.failed(Answer.of(text));
                return true;
            }
            if (Json.at(chunk, "choices", 0, "delta", "content") instanceof String content && !content.isEmpty()) {
                into.token();
            }
            read(chunk, into);
            return false;
        }
    }
}
