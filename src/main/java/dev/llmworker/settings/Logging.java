package dev.llmworker.settings;

import ch.qos.logback.classic.spi.LogbackServiceProvider;
import dev.llmworker.settings.SettingsTable.LogLevel;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import org.slf4j.LoggerFactory;

/// Passes the settings of the log to [LogbackConfigurator] as system properties: logback calls it when the first logger
/// is made.
public final class Logging {
    static final String FORMAT = "LOG_FORMAT";
    static final String LEVEL = "LOG_LEVEL";
    static final String LIBRARIES_LEVEL = "LOG_LEVEL_LIBRARIES";

    /// Names SLF4J's provider. Otherwise SLF4J looks into each jar for one, which takes 50 ms of a start.
    private static final String PROVIDER = "slf4j.provider";

    /// SLF4J would say that it was named.
    private static final String PROVIDER_MESSAGES = "slf4j.internal.verbosity";

    private Logging() {}

    /// Must be called before anything logs. It makes the first logger: two threads must not do that at once.
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
        if (System.getProperty(PROVIDER) == null) {
            System.setProperty(PROVIDER, LogbackServiceProvider.class.getName());
            System.setProperty(PROVIDER_MESSAGES, "WARN");
        }
        LoggerFactory.getILoggerFactory();
    }
}
