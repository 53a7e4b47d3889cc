package dev.llmworker.settings;

/// Settings with which the worker cannot start; the message is for the operator.
public final class SettingsException extends Exception {
    public SettingsException(String message) {
        super(message);
    }
}
