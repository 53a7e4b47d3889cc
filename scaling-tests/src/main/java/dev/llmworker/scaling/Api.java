package dev.llmworker.scaling;

import com.fasterxml.jackson.databind.JsonNode;
import dev.llmworker.scaling.LoadTest.Transport;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/// What requests to a server look like, and how its answers are read.
enum Api {
    /// The worker's own `/generate` and `/ws`.
    WORKER("generate", "ping"),
    /// OpenAI's chat completions.
    OPENAI("v1/chat/completions", "v1/models");

    final String path;
    /// Answers 200 if the server can serve.
    final String healthPath;

    Api(String path, String healthPath) {
        this.path = path;
        this.healthPath = healthPath;
    }

    Map<String, Object> request(LoadTest options, String prompt, Transport transport) {
        var request = new HashMap<String, Object>(Map.of("max_tokens", options.maxTokens, "temperature", 0));
        if (options.ignoreEos) {
            request.put("ignore_eos", true);
        }
        if (transport == Transport.SSE) {
            request.put("stream", true);
        }
        switch (this) {
            case WORKER -> {
                request.put("prompt", prompt);
                if (transport == Transport.HTTP) {
                    request.put("details", true);
                }
            }
            case OPENAI -> {
                request.put("model", options.model);
                request.put("messages", List.of(Map.of("role", "user", "content", prompt)));
                if (transport == Transport.SSE) {
                    request.put("stream_options", Map.of("include_usage", true));
                }
            }
        }
        return request;
    }

    /// Reads one event or frame of a streamed answer.
    ///
    /// @param at in seconds of the run
    /// @return whether it was the last
    boolean readEvent(String text, double at, Generation into) {
        var event = Json.read(text);
        var isLast = switch (this) {
            case WORKER -> event.has("done");
            case OPENAI -> text.equals("[DONE]");
        };
        if (isLast) {
            return true;
        }
        if (event.isMissingNode() || event.has("error")) {
            into.failure = Client.shortened(text);
            return true;
        }
        if (event.has("token")
                || !event.at("/choices/0/delta/content").asText("").isEmpty()) {
            into.tokenAt(at);
        }
        readUsage(event, into);
        return false;
    }

    /// Reads the count of tokens. The worker that this one replaces has none.
    static void readUsage(JsonNode answer, Generation into) {
        var tokens = answer.at("/usage/completion_tokens");
        if (tokens.isNumber()) {
            into.counted = tokens.asLong();
        }
    }
}
