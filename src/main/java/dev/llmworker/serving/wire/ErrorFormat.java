package dev.llmworker.serving.wire;

import java.util.LinkedHashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// How errors are written, by the prefix of the path. It goes by path and not by route, because what is refused in
/// front of the routes, and what has no route, needs it too.
enum ErrorFormat {
    /// `{"error":{"message","type","param","code"}}`
    OPENAI("/v1/") {
        @Override
        Map<String, Object> fields(JsonError error) {
            var fields = new LinkedHashMap<String, Object>();
            fields.put("message", error.message());
            fields.put("type", error.status() < 500 ? "invalid_request_error" : "server_error");
            fields.put("param", error.parameter());
            // The one code of theirs that clients look for: it says that a shorter prompt would do.
            fields.put("code", error.code().equals("context_exceeded") ? "context_length_exceeded" : error.code());
            return Map.of("error", fields);
        }
    },
    /// `{"error","code"}`
    PLAIN("") {
        @Override
        Map<String, Object> fields(JsonError error) {
            return error.fields();
        }
    };

    private final String prefix;

    ErrorFormat(String prefix) {
        this.prefix = prefix;
    }

    abstract Map<String, Object> fields(JsonError error);

    /// The first format whose prefix fits.
    static ErrorFormat of(@Nullable String path) {
        for (var format : values()) {
            if (path != null && path.startsWith(format.prefix)) {
                return format;
            }
        }
        return PLAIN;
    }
}
