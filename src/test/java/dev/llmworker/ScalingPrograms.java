package dev.llmworker;

import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.File;
import java.io.IOException;
import java.io.StringWriter;
import java.io.UncheckedIOException;
import java.lang.reflect.InvocationTargetException;
import java.net.MalformedURLException;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import javax.tools.ToolProvider;

/// The programs of `scaling-tests/`, compiled with nothing but the JDK in reach, as their users run them.
final class ScalingPrograms {
    private static final int SIGINT = 2;
    static final Path SOURCES = Path.of("scaling-tests");
    private static final Path CLASSES = compiled();
    private static final ClassLoader LOADER = loader();

    private ScalingPrograms() {}

    private static Path compiled() {
        try {
            var classes = Files.createDirectories(Path.of("target", "scaling-tests"));
            var empty = Files.createDirectories(Path.of("target", "no-classes"));
            var compiler = ToolProvider.getSystemJavaCompiler();
            var messages = new StringWriter();
            try (var files = compiler.getStandardFileManager(null, null, null)) {
                var options = List.of(
                        "-d",
                        classes.toString(),
                        "--source-path",
                        SOURCES.toString(),
                        "--class-path",
                        empty.toString(),
                        "--release",
                        "25",
                        "-Xlint:all",
                        "-Werror",
                        "-proc:none");
                var programs =
                        files.getJavaFileObjects(SOURCES.resolve("ScalingTest.java"), SOURCES.resolve("LoadTest.java"));
                assertTrue(
                        compiler.getTask(messages, files, null, options, null, programs)
                                .call(),
                        messages::toString);
            }
            return classes;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static ClassLoader loader() {
        try {
            return new URLClassLoader(new URL[] {CLASSES.toUri().toURL()}, ClassLoader.getPlatformClassLoader());
        } catch (MalformedURLException e) {
            throw new IllegalStateException(e);
        }
    }

    /// Runs a program in this JVM.
    ///
    /// @return its exit status
    static int run(String program, List<String> words) throws Exception {
        var run = LOADER.loadClass(program).getDeclaredMethod("run", String[].class);
        run.setAccessible(true);
        try {
            return (int) run.invoke(null, (Object) words.toArray(String[]::new));
        } catch (InvocationTargetException e) {
            throw e.getCause() instanceof Exception cause ? cause : e;
        }
    }

    /// A program in a JVM of its own, from its sources, as its users start it.
    static ProcessBuilder fromSources(String program, List<String> words) {
        return java(List.of(SOURCES.resolve(program + ".java").toString()), words);
    }

    /// The same, compiled already.
    static ProcessBuilder fromClasses(String program, List<String> words) {
        return java(List.of("-cp", CLASSES.toString(), program), words);
    }

    /// A shell has what it starts in the background ignore SIGINT, and all that is started there inherits it: a build,
    /// its
    /// tests, and their programs.
    static void hearInterrupts(ProcessBuilder program) throws IOException {
        var status = Path.of("/proc/self/status");
        if (Files.isReadable(status) && ignoresInterrupts(Files.readAllLines(status))) {
            program.command().addAll(0, List.of("env", "--default-signal=INT"));
        }
    }

    private static boolean ignoresInterrupts(List<String> status) {
        return status.stream()
                .filter(line -> line.startsWith("SigIgn:"))
                .map(line -> Long.parseUnsignedLong(
                        line.substring("SigIgn:".length()).strip(), 16))
                .anyMatch(ignored -> (ignored & 1L << SIGINT - 1) != 0);
    }

    private static ProcessBuilder java(List<String> program, List<String> words) {
        var command = new ArrayList<String>();
        command.add(System.getProperty("java.home") + File.separator + "bin" + File.separator + "java");
        command.addAll(program);
        command.addAll(words);
        return new ProcessBuilder(command);
    }
}
