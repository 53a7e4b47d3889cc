package dev.llmworker.settings;

/// The worker cannot start with these settings. The message is for the operator.
public final class SettingsException extends Exception {
    public SettingsException(String message) {
        super(message);
    }
}
