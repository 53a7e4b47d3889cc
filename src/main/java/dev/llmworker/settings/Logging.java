package dev.llmworker.settings;

import java.util.Locale;
import java.util.Map;

/// What [LogbackConfigurator] takes from the settings, as system properties: it is asked when the first logger is made.
public final class Logging {
    static final String FORMAT = "LOG_FORMAT";
    static final String LEVEL = "LOG_LEVEL";
    static final String LIBRARIES_LEVEL = "LOG_LEVEL_LIBRARIES";

    private enum Format {
        PLAIN,
        JSON
    }

    private enum Level {
        TRACE,
        DEBUG,
        INFO,
        WARN,
        ERROR,
        OFF
    }

    private Logging() {}

    /// Call it before anything logs.
    ///
    /// @throws SettingsException naming the variable, its value and what it may be
    public static void configure(Map<String, String> values) throws SettingsException {
        var from = new SettingsReader(values);
        var format = from.choice(FORMAT, Format.class, Format.PLAIN);
        var level = from.choice(LEVEL, Level.class, Level.INFO);
        // Libraries say no more than what goes wrong, whatever the worker itself says.
        var libraries = level.compareTo(Level.WARN) > 0 ? level : Level.WARN;
        System.setProperty(FORMAT, format.name().toLowerCase(Locale.ROOT));
        System.setProperty(LEVEL, level.name());
        System.setProperty(LIBRARIES_LEVEL, libraries.name());
    }
}
