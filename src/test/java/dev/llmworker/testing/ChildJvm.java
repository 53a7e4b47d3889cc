package dev.llmworker.testing;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/// A JVM of its own that runs a class of the tests' class path. Its options make its start cheap, because a test's JVM
/// lives for a few seconds.
public final class ChildJvm {
    private static final List<String> OPTIONS =
            List.of("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "--enable-native-access=ALL-UNNAMED");

    private ChildJvm() {}

    /// The Java that runs the tests.
    public static String java() {
        return Path.of(System.getProperty("java.home"), "bin", "java").toString();
    }

    /// Its standard error goes where its output goes.
    public static ProcessBuilder of(Class<?> main, Map<String, String> environment, String... arguments) {
        return of(System.getProperty("java.class.path"), main.getName(), environment, arguments);
    }

    /// As [#of(Class, Map, String...)], with a class path of its own.
    public static ProcessBuilder of(
            String classPath, String main, Map<String, String> environment, String... arguments) {
        var command = new ArrayList<>(List.of(java()));
        command.addAll(OPTIONS);
        command.addAll(List.of("-cp", classPath, main));
        command.addAll(List.of(arguments));
        var builder = new ProcessBuilder(command).redirectErrorStream(true);
        builder.environment().putAll(environment);
        return builder;
    }
}
