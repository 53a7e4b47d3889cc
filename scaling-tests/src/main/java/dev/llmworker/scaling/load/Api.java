package dev.llmworker.scaling.load;

import com.fasterxml.jackson.databind.JsonNode;
import dev.llmworker.scaling.client.Answer;
import dev.llmworker.scaling.client.Json;
import java.util.List;
import java.util.Map;

/// What requests to a server look like, and how its answers are read.
sealed interface Api {
    String path();

    /// Answers 200 if the server can serve.
    String healthPath();

    Map<String, Object> request(LoadTest options, String prompt, Transport transport);

    /// Reads one event or frame of a streamed answer.
    ///
    /// @param at in seconds of the run
    /// @return whether it was the last
    boolean readEvent(String text, double at, Generation into);

    /// Reads the count of tokens. The worker that this one replaces has none.
    static void readUsage(JsonNode answer, Generation into) {
        var tokens = answer.at("/usage/completion_tokens");
        if (tokens.isNumber()) {
            into.total(tokens.asLong());
        }
    }

    private static Map<String, Object> with(LoadTest options, Map<String, Object> request) {
        request.put("max_tokens", options.maxTokens);
        request.put("temperature", options.temperature);
        if (options.ignoreEos) {
            request.put("ignore_eos", true);
        }
        return request;
    }

    /// The worker's own `/generate` and `/ws`.
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
        public Map<String, Object> request(LoadTest options, String prompt, Transport transport) {
            var request = with(options, Json.object("prompt", prompt));
            switch (transport) {
                case HTTP -> request.put("details", true);
                case SSE -> request.put("stream", true);
                case WEBSOCKET -> {}
            }
            return request;
        }

        @Override
        public boolean readEvent(String text, double at, Generation into) {
            var frame = Json.read(text);
            if (frame.has("token")) {
                into.token(at);
                return false;
            }
            if (!frame.has("done")) {
                into.fail(Answer.shortened(text));
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
        public Map<String, Object> request(LoadTest options, String prompt, Transport transport) {
            var messages = List.of(Map.of("role", "user", "content", prompt));
            var request = with(options, Json.object("model", model, "messages", messages));
            if (transport == Transport.SSE) {
                request.put("stream", true);
                request.put("stream_options", Map.of("include_usage", true));
            }
            return request;
        }

        @Override
        public boolean readEvent(String text, double at, Generation into) {
            if (text.equals("[DONE]")) {
                return true;
            }
            var chunk = Json.read(text);
            if (chunk.isEmpty() || chunk.has("error")) {
                into.fail(Answer.shortened(text));
                return true;
            }
            if (!chunk.at("/choices/0/delta/content").asText("").isEmpty()) {
                into.token(at);
            }
            readUsage(chunk, into);
            return false;
        }
    }
}
