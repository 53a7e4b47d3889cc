package dev.llmworker.testing;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;

/// A JVM of its own that runs a class of the tests' class path. Its options make its start cheap, because a test's JVM
/// lives for a few seconds.
public final class ChildJvm {
    private static final List<String> CHEAP = List.of("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC");

    private ChildJvm() {}

    /// The Java that runs the tests.
    public static String java() {
        return Path.of(System.getProperty("java.home"), "bin", "java").toString();
    }

    /// The command that starts a program from its source.
    public static List<String> source(Path program, List<String> arguments) {
        return Stream.of(List.of(java()), CHEAP, List.of(program.toString()), arguments)
                .flatMap(List::stream)
                .toList();
    }

    /// Runs the JDK's tool for keys and certificates in a folder.
    public static void keytool(Path folder, List<String> arguments) throws IOException, InterruptedException {
        var command = new ArrayList<>(List.of(
                Path.of(System.getProperty("java.home"), "bin", "keytool").toString()));
        CHEAP.forEach(option -> command.add("-J" + option));
        command.addAll(arguments);
        var process = new ProcessBuilder(command)
                .directory(folder.toFile())
                .redirectErrorStream(true)
                .start();
        var said = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertEquals(0, process.waitFor(), command + ": " + said);
    }

    /// Its standard error goes where its output goes.
    public static ProcessBuilder of(Class<?> main, Map<String, String> environment, String... arguments) {
        return of(System.getProperty("java.class.path"), main.getName(), environment, arguments);
    }

    /// As [#of(Class, Map, String...)], with a class path of its own.
    public static ProcessBuilder of(
            String classPath, String main, Map<String, String> environment, String... arguments) {
        var command = new ArrayList<>(List.of(java()));
        command.addAll(CHEAP);
        command.addAll(List.of("--enable-native-access=ALL-UNNAMED", "-cp", classPath, main));
        command.addAll(List.of(arguments));
        var builder = new ProcessBuilder(command).redirectErrorStream(true);
        builder.environment().putAll(environment);
        return builder;
    }
}
