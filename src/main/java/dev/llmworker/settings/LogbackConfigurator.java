package dev.llmworker.settings;

import ch.qos.logback.classic.ClassicConstants;
import ch.qos.logback.classic.Level;
import ch.qos.logback.classic.LoggerContext;
import ch.qos.logback.classic.encoder.PatternLayoutEncoder;
import ch.qos.logback.classic.spi.Configurator;
import ch.qos.logback.classic.spi.ILoggingEvent;
import ch.qos.logback.core.ConsoleAppender;
import ch.qos.logback.core.encoder.Encoder;
import ch.qos.logback.core.spi.ContextAwareBase;
import ch.qos.logback.core.status.NopStatusListener;
import dev.llmworker.logs.LogQueue;
import net.logstash.logback.encoder.LogstashEncoder;
import net.logstash.logback.fieldnames.LogstashFieldNames;
import org.slf4j.Logger;

/// Configures logback in code, by what [Logging] has set: reading XML would take a fifth of the time that `main`
/// computes during a start. `-Dlogback.configurationFile=FILE` replaces it. Logback finds this class when the first
/// logger is made.
public final class LogbackConfigurator extends ContextAwareBase implements Configurator {
    private static final String PATTERN = "%d{HH:mm:ss.SSS} %-5level %logger{0}: %msg%n";
    private static final String LEFT_OUT = "[ignore]";

    @Override
    public ExecutionStatus configure(LoggerContext loggers) {
        if (System.getProperty(ClassicConstants.CONFIG_FILE_PROPERTY) != null) {
            return ExecutionStatus.NEUTRAL;
        }
        // Logback's own messages stay off the console.
        loggers.getStatusManager().add(new NopStatusListener());
        var appender = new ConsoleAppender<ILoggingEvent>();
        appender.setContext(loggers);
        appender.setTarget("System.err");
        appender.setEncoder(
                System.getProperty(Logging.FORMAT, "plain").equals("json") ? json(loggers) : plain(loggers));
        appender.start();
        loggers.getLogger(Logger.ROOT_LOGGER_NAME).addAppender(LogQueue.before(appender, loggers));
        setLevels(
                loggers,
                Level.toLevel(System.getProperty(Logging.LEVEL), Level.INFO),
                Level.toLevel(System.getProperty(Logging.LIBRARIES_LEVEL), Level.WARN));
        return ExecutionStatus.DO_NOT_INVOKE_NEXT_IF_ANY;
    }

    /// A route may give its logger any name: `log:com.acme`, or its own id. So every logger has the user's level,
    /// and the packages of libraries are the exceptions. A library that is not listed then logs too much, but no
    /// line of a route is lost.
    private static void setLevels(LoggerContext loggers, Level level, Level libraries) {
        loggers.getLogger(Logger.ROOT_LOGGER_NAME).setLevel(level);
        Libraries.PACKAGES.forEach(name -> loggers.getLogger(name).setLevel(libraries));
        Libraries.LOGGERS_OF_ROUTES.forEach(name -> loggers.getLogger(name).setLevel(level));
    }

    private static Encoder<ILoggingEvent> plain(LoggerContext loggers) {
        var encoder = new PatternLayoutEncoder();
        encoder.setContext(loggers);
        encoder.setPattern(PATTERN);
        encoder.start();
        return encoder;
    }

    private static Encoder<ILoggingEvent> json(LoggerContext loggers) {
        var names = new LogstashFieldNames();
        names.setTimestamp("time");
        names.setVersion(LEFT_OUT);
        names.setLevelValue(LEFT_OUT);
        names.setLogger("logger");
        names.setThread(LEFT_OUT);
        names.setStackTrace("stack");
        var encoder = new LogstashEncoder();
        encoder.setContext(loggers);
        encoder.setFieldNames(names);
        encoder.start();
        return encoder;
    }
}
