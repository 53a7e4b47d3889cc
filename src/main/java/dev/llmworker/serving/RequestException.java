package dev.llmworker.serving;

import dev.llmworker.sampling.ParameterException;

/// A request that is wrong. Made without a stack: it says something about the client, not about this program.
final class RequestException extends RuntimeException {
    private final transient JsonError error;

    RequestException(JsonError error) {
        super(error.message(), null, false, false);
        this.error = error;
    }

    static RequestException invalid(String message) {
        return new RequestException(JsonError.invalid(message));
    }

    /// @param parameter the field that is wrong
    static RequestException invalid(String parameter, String message) {
        return new RequestException(JsonError.invalid(parameter, message));
    }

    /// What parameters say of their bounds.
    static RequestException of(IllegalArgumentException failure) {
        var message = String.valueOf(failure.getMessage());
        return failure instanceof ParameterException wrong ? invalid(wrong.parameter(), message) : invalid(message);
    }

    JsonError error() {
        return error;
    }
}
