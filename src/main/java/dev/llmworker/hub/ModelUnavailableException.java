package dev.llmworker.hub;

import java.io.IOException;

/// The model cannot be had; the message tells the operator what was tried, and what would help.
public final class ModelUnavailableException extends IOException {
    ModelUnavailableException(String message) {
        super(message);
    }

    ModelUnavailableException(String message, Throwable cause) {
        super(message, cause);
    }
}
