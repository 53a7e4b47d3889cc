package dev.llmworker.settings;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ch.qos.logback.classic.Level;
import ch.qos.logback.classic.LoggerContext;
import java.io.File;
import java.io.IOException;
import java.util.TreeSet;
import java.util.jar.JarFile;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/// The levels of loggers: `LOG_LEVEL` is for the worker and for routes, and not for libraries.
class LibrariesTest {
    /// Libraries of tests alone.
    private static final String TESTS =
            "(com\\.(networknt|ethlo)|org\\.(junit|opentest4j|apiguardian|mockito|objenesis)|com\\.tngtech|net\\.bytebuddy"
                    + "|kotlin|okhttp3|okio|retrofit2)(\\..*)?";

    private static LoggerContext loggers(String level) {
        System.setProperty(Logging.LEVEL, level);
        try {
            var loggers = new LoggerContext();
            new LogbackConfigurator().configure(loggers);
            return loggers;
        } finally {
            System.clearProperty(Logging.LEVEL);
        }
    }

    private static Stream<String> packages(String jar) {
        try (var file = new JarFile(jar)) {
            return file.stream()
                    .map(entry -> entry.getName().replaceFirst("^META-INF/versions/\\d+/", ""))
                    .filter(name -> name.endsWith(".class") && name.indexOf('/') > 0 && !name.startsWith("META-INF"))
                    .map(name -> name.substring(0, name.lastIndexOf('/')).replace('/', '.'))
                    .distinct()
                    .toList()
                    .stream();
        } catch (IOException e) {
            throw new AssertionError(jar, e);
        }
    }

    @Test
    void everyLibraryOfTheWorkerLogsWarningsOnly() {
        var loggers = loggers("DEBUG");
        var loud = new TreeSet<String>();
        var jars = Stream.of(System.getProperty("java.class.path").split(File.pathSeparator))
                .filter(path -> path.endsWith(".jar"))
                .toList();
        assertTrue(jars.size() > 50, jars::toString);
        jars.stream()
                .flatMap(LibrariesTest::packages)
                .filter(name -> !name.matches(TESTS))
                .filter(name -> loggers.getLogger(name + ".Some").getEffectiveLevel() != Level.WARN)
                .filter(name -> Libraries.LOGGERS_OF_ROUTES.stream().noneMatch(name::startsWith))
                .forEach(loud::add);
        assertEquals(new TreeSet<>(), loud);
    }

    @Test
    void anyOtherLoggerHasTheLevelOfTheUser() {
        for (var name :
                new String[] {"com.acme", "com.acme.orders.In", "route", "io.github.me", "oracle", "java", "x.y"}) {
            assertEquals(Level.DEBUG, loggers("DEBUG").getLogger(name).getEffectiveLevel(), name);
            assertEquals(Level.INFO, loggers("INFO").getLogger(name).getEffectiveLevel(), name);
            assertEquals(Level.OFF, loggers("OFF").getLogger(name).getEffectiveLevel(), name);
        }
        assertEquals(
                Level.INFO,
                loggers("INFO").getLogger("org.apache.camel.Tracing").getEffectiveLevel());
    }
}
