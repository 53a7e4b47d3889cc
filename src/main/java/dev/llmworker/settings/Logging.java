package dev.llmworker.settings;

import dev.llmworker.settings.SettingsTable.LogLevel;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;

/// Passes the settings of the log to [LogbackConfigurator] as system properties: logback calls it when the first logger
/// is made.
public final class Logging {
    static final String FORMAT = "LOG_FORMAT";
    static final String LEVEL = "LOG_LEVEL";
    static final String LIBRARIES_LEVEL = "LOG_LEVEL_LIBRARIES";

    private Logging() {}

    /// Must be called before anything logs.
    ///
    /// @throws SettingsException naming the variable, its value and what it may be
    public static void configure(Map<String, String> values) throws SettingsException {
        var format = Objects.requireNonNull(SettingsTable.LOG_FORMAT.parse(values.get(FORMAT)));
        var level = Objects.requireNonNull(SettingsTable.LOG_LEVEL.parse(values.get(LEVEL)));
        // Libraries log warnings and errors only, even if the worker logs more.
        var libraries = level.compareTo(LogLevel.WARN) > 0 ? level : LogLevel.WARN;
        System.setProperty(FORMAT, format.name().toLowerCase(Locale.ROOT));
        System.setProperty(LEVEL, level.name());
        System.setProperty(LIBRARIES_LEVEL, libraries.name());
    }
}
