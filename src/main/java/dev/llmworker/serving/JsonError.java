package dev.llmworker.serving;

import dev.llmworker.generation.RefusedException;
import io.vertx.core.http.HttpServerRequest;
import java.nio.charset.StandardCharsets;
import java.util.Locale;
import java.util.concurrent.CancellationException;
import java.util.concurrent.RejectedExecutionException;
import org.apache.camel.ExchangeTimedOutException;
import org.apache.camel.ValidationException;
import org.jspecify.annotations.Nullable;

/// What a client is told when its request cannot be served. It never carries a stack, a class or a path.
///
/// @param status of HTTP
/// @param code what is wrong, in snake case, for programs
/// @param message what is wrong, with the value and the limit
/// @param retryAfterSeconds 0 where it is no use to try again
record JsonError(int status, String code, String message, int retryAfterSeconds) {
    static final String CONTENT_TYPE = "application/json";

    private static final int LOADING_RETRY_SECONDS = 5;
    private static final int OVERLOADED_RETRY_SECONDS = 1;

    static JsonError of(int status, String code, String message) {
        return new JsonError(status, code, message, 0);
    }

    static JsonError invalid(String message) {
        return of(400, "invalid_request", message);
    }

    static JsonError loading() {
        return new JsonError(503, "loading", "the model is still loading", LOADING_RETRY_SECONDS);
    }

    static JsonError internal() {
        return of(500, "internal_error", "the worker failed; its log has the cause under this answer's X-Request-Id");
    }

    /// The answer to a failure, or null where it is the worker's own fault and belongs in the log.
    static @Nullable JsonError of(Throwable failure) {
        return switch (failure) {
            case RequestException request -> request.error();
            case RefusedException refused -> refused(refused);
            case ValidationException _ -> invalid("the request does not pass the validation of its route");
            case AnswerException answer -> of(502, "invalid_answer", String.valueOf(answer.getMessage()));
            case ExchangeTimedOutException _ -> of(504, "timeout", "the answer takes longer than its route allows");
            case CancellationException cancelled -> of(499, "cancelled", String.valueOf(cancelled.getMessage()));
            // The pool that runs requests is closed already, and this one came on a connection that is not.
            case RejectedExecutionException _ -> new JsonError(503, "stopping", "the worker is stopping", 1);
            default -> null;
        };
    }

    static JsonError refused(RefusedException refused) {
        var message = String.valueOf(refused.getMessage());
        return switch (refused.reason()) {
            case INVALID -> of(400, refused.code(), message);
            case LOADING -> new JsonError(503, refused.code(), message, LOADING_RETRY_SECONDS);
            case OVERLOADED -> new JsonError(503, refused.code(), message, OVERLOADED_RETRY_SECONDS);
            case FAILED -> of(503, refused.code(), message);
        };
    }

    /// The code that goes with a status nobody has said more about: `method_not_allowed`.
    static JsonError ofStatus(int status, String reason) {
        var words = reason.toLowerCase(Locale.ROOT);
        return of(status, words.replaceAll("[^a-z]+", "_"), words);
    }

    String json() {
        var json = new StringBuilder(48 + message.length()).append("{\"error\":\"");
        JsonText.escape(message, json);
        return json.append("\",\"code\":\"").append(code).append("\"}").toString();
    }

    byte[] bytes() {
        return json().getBytes(StandardCharsets.UTF_8);
    }

    /// Answers `request`, unless an answer has been begun.
    void answer(HttpServerRequest request) {
        var response = request.response();
        if (response.headWritten() || response.closed()) {
            return;
        }
        response.setStatusCode(status).putHeader("Content-Type", CONTENT_TYPE);
        if (retryAfterSeconds > 0) {
            response.putHeader("Retry-After", Integer.toString(retryAfterSeconds));
        }
        response.end(json());
    }
}
