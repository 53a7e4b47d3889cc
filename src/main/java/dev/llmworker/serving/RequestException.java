package dev.llmworker.serving;

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

    JsonError error() {
        return error;
    }
}
