package dev.llmworker.serving.wire;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// How errors are written, by the prefix of the path. It goes by path and not by route, because what is refused in
/// front of the routes, and what has no route, needs it too.
enum ErrorFormat {
    /// `{"type":"error","error":{"type","message"}}`
    ANTHROPIC("/v1/messages") {
        @Override
        Map<String, Object> fields(JsonError error) {
            var said = new LinkedHashMap<String, Object>();
            said.put("type", type(error.status()));
            // By these words its clients know that a shorter prompt would do.
            var isTooLong = error.code().equals("context_exceeded");
            said.put("message", isTooLong ? "prompt is too long: " + error.message() : error.message());
            if (error.code().equals(JsonError.NO_THREADS)) {
                // Its clients then send the whole conversation.
                said.put("details", Map.of("error_code", error.code(), "unsupported", List.of("thread")));
            }
            var fields = new LinkedHashMap<String, Object>();
            fields.put("type", "error");
            fields.put("error", said);
            return fields;
        }

        private static String type(int status) {
            return switch (status) {
                case 401 -> "authentication_error";
                case 403 -> "permission_error";
                case 404 -> "not_found_error";
                case 413 -> "request_too_large";
                case 429 -> "rate_limit_error";
                case 503 -> "overloaded_error";
                case 504 -> "timeout_error";
                default -> status < 500 ? "invalid_request_error" : "api_error";
            };
        }
    },
    /// JSON-RPC's `{"jsonrpc","id","error":{"code","message","data":{"code"}}}`. The id of the request is
    /// not known here.
    JSON_RPC("/mcp") {
        @Override
        Map<String, Object> fields(JsonError error) {
            return error.rpcFields(null, Map.of());
        }
    },
    /// `{"error":{"message","type","param","code"}}`
    OPENAI("/v1") {
        @Override
        Map<String, Object> fields(JsonError error) {
            var fields = new LinkedHashMap<String, Object>();
            fields.put("message", error.message());
            fields.put("type", openAiType(error));
            fields.put("param", error.parameter());
            // Codes of theirs that clients look for: a shorter prompt would do, or the same request later.
            fields.put("code", openAiCode(error));
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

    private static final int TOO_MANY_REQUESTS = 429;

    private final String prefix;

    ErrorFormat(String prefix) {
        this.prefix = prefix;
    }

    abstract Map<String, Object> fields(JsonError error);

    /// Whether the path is the prefix, or below it.
    private boolean covers(String path) {
        return path.startsWith(prefix)
                && (prefix.isEmpty() || path.length() == prefix.length() || path.charAt(prefix.length()) == '/');
    }

    /// The first format whose prefix fits.
    static ErrorFormat of(@Nullable String path) {
        for (var format : values()) {
            if (path != null && format.covers(path)) {
                return format;
            }
        }
        return PLAIN;
    }

    private static String openAiType(JsonError error) {
        if (error.status() == TOO_MANY_REQUESTS) {
            return error.code().startsWith("tokens") ? "tokens" : "requests";
        }
        return error.status() < 500 ? "invalid_request_error" : "server_error";
    }

    private static String openAiCode(JsonError error) {
        if (error.status() == TOO_MANY_REQUESTS) {
            return "rate_limit_exceeded";
        }
        return error.code().equals("context_exceeded") ? "context_length_exceeded" : error.code();
    }
}
