package dev.llmworker.serving.wire;

import dev.llmworker.sampling.ParameterException;

/// A request that is wrong. Made without a stack: it says something about the client, not about this program.
public final class RequestException extends RuntimeException {
    private final transient JsonError error;

    public RequestException(JsonError error) {
        super(error.message(), null, false, false);
        this.error = error;
    }

    public static RequestException invalid(String message) {
        return new RequestException(JsonError.invalid(message));
    }

    /// @param parameter the field that is wrong
    public static RequestException invalid(String parameter, String message) {
        return new RequestException(JsonError.invalid(parameter, message));
    }

    /// What parameters say of their bounds.
    public static RequestException of(IllegalArgumentException failure) {
        var message = String.valueOf(failure.getMessage());
        return failure instanceof ParameterException wrong ? invalid(wrong.parameter(), message) : invalid(message);
    }

    public JsonError error() {
        return error;
    }
}
