package dev.llmworker.remote;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.llmworker.generation.RefusedException;
import dev.llmworker.generation.RefusedException.Reason;
import dev.llmworker.text.WholeCharacters;
import java.io.IOException;
import org.jspecify.annotations.Nullable;

/// Why a server did not complete an answer.
///
/// @param blame what the failure says about the server
/// @param elsewhere whether another server may succeed
/// @param again whether the same server may succeed, once
/// @param refusal the message for the client
/// @param detail the message for the log
record Failure(Blame blame, boolean elsewhere, boolean again, RefusedException refusal, String detail) {
    /// What a failure says about the server.
    enum Blame {
        /// Nothing: the request is wrong, or the server is overloaded.
        NONE,
        /// It failed this time.
        FAILED,
        /// Nothing listens at its address.
        GONE
    }

    private static final int MAX_SHOWN = 1000;
    private static final int GONE_RETRY_SECONDS = 5;
    private static final int MAX_RETRY_SECONDS = 3600;
    private static final ObjectMapper JSON = new ObjectMapper();

    /// The server cannot be asked for what the client wants; another one may be of another kind.
    static Failure notAsked(RefusedException refusal) {
        return new Failure(Blame.NONE, true, false, refusal, "is not asked: " + refusal.getMessage());
    }

    static Failure unreachable(Throwable cause) {
        return new Failure(
                Blame.GONE,
                true,
                false,
                new RefusedException(
                        Reason.FAILED,
                        "engine_unavailable",
                        "the engine's server cannot be reached; try again later",
                        GONE_RETRY_SECONDS),
                "cannot be reached: " + cause.getMessage());
    }

    /// The connection broke, or its data are invalid.
    ///
    /// @param message for the client
    static Failure broken(String message, String detail) {
        return new Failure(
                Blame.FAILED, true, true, new RefusedException(Reason.FAILED, "engine_failed", message), detail);
    }

    /// The server reported a failure in its stream.
    static Failure reported(String json) {
        var error = Error.of(json);
        var detail = "reports an error: " + error.message;
        if (error.status >= 400 && error.status < 500 && error.status != 429) {
            return new Failure(Blame.NONE, false, false, error.invalid(), detail);
        }
        return new Failure(
                Blame.FAILED,
                true,
                false,
                new RefusedException(Reason.FAILED, "engine_failed", "the engine's server reports that it failed"),
                detail);
    }

    /// The server answered with a status other than 200.
    ///
    /// @param retryAfter the header `Retry-After`
    static Failure status(int status, @Nullable String retryAfter, String body) {
        var error = Error.of(body);
        var detail = "answers " + status + ": " + error.message;
        return switch (status) {
            case 429, 503 ->
                new Failure(
                        Blame.NONE,
                        true,
                        false,
                        new RefusedException(
                                Reason.OVERLOADED,
                                "engine_overloaded",
                                "the engine's server is overloaded; try again later",
                                seconds(retryAfter)),
                        detail);
            case 401, 403 ->
                new Failure(
                        Blame.NONE,
                        false,
                        false,
                        new RefusedException(
                                Reason.FAILED, "engine_unauthorized", "the engine's server rejects the worker's key"),
                        detail);
            case 400, 404, 405, 413, 415, 422 -> new Failure(Blame.NONE, false, false, error.invalid(), detail);
            default ->
                new Failure(
                        Blame.FAILED,
                        true,
                        false,
                        new RefusedException(
                                Reason.FAILED, "engine_failed", "the engine's server failed, with status " + status),
                        detail);
        };
    }

    private static int seconds(@Nullable String retryAfter) {
        // The header may also be a date, but no server sends one.
        return retryAfter == null || !retryAfter.strip().matches("[0-9]{1,9}")
                ? 0
                : Math.min(Integer.parseInt(retryAfter.strip()), MAX_RETRY_SECONDS);
    }

    /// A server's error body: `{"error":{"message","type","code"}}`, or a variant of it.
    ///
    /// @param status 0 if the body has none
    private record Error(String message, String kind, int status) {
        static Error of(String body) {
            JsonNode json;
            try {
                json = JSON.readTree(body);
            } catch (IOException _) {
                json = null;
            }
            if (json == null || !json.isObject()) {
                return new Error(shortened(body), "", 0);
            }
            var error = json.path("error").isObject() ? json.path("error") : json;
            var message = error.path("message");
            for (var name : new String[] {"error", "detail"}) {
                message = message.isMissingNode() ? error.path(name) : message;
            }
            var text = message.isTextual() ? message.textValue() : message.isMissingNode() ? body : message.toString();
            var kind = error.path("code").asText() + " " + error.path("type").asText();
            return new Error(shortened(text), kind, error.path("code").asInt());
        }

        RefusedException invalid() {
            var tooLong = kind.contains("context_length_exceeded")
                    || kind.contains("exceed_context_size")
                    || message.contains("maximum context length");
            return new RefusedException(Reason.INVALID, tooLong ? "context_exceeded" : "invalid_request", message);
        }

        private static String shortened(String text) {
            return text.length() <= MAX_SHOWN ? text : WholeCharacters.beginning(text, MAX_SHOWN) + "…";
        }
    }
}
