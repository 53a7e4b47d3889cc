package dev.llmworker;

/// Settings with which the worker cannot start; the message is for the operator.
final class SettingsException extends Exception {
    SettingsException(String message) {
        super(message);
    }
}
