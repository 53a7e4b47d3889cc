package dev.llmworker.hub.download;

import java.io.IOException;

/// Is thrown if the model cannot be obtained. The message tells the operator what was tried, and what would help.
public final class ModelUnavailableException extends IOException {
    public ModelUnavailableException(String message) {
        super(message);
    }

    public ModelUnavailableException(String message, Throwable cause) {
        super(message, cause);
    }
}
