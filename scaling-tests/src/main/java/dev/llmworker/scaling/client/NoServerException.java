package dev.llmworker.scaling.client;

/// No server became healthy in time.
public final class NoServerException extends Exception {
    private static final long serialVersionUID = 1;

    public NoServerException(String message) {
        super(message);
    }
}
