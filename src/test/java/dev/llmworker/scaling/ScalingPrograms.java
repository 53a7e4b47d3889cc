package dev.llmworker.scaling;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.llmworker.testing.ChildJvm;
import java.io.IOException;
import java.lang.reflect.InvocationTargetException;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/// The programs of `scaling-tests/`, built by their launcher.
final class ScalingPrograms {
    private static final int SIGINT = 2;
    static final Path FOLDER = Path.of("scaling-tests");
    private static final ClassLoader LOADER = built();

    private ScalingPrograms() {}

    /// @return a loader of the programs and their libraries, which sees nothing of the worker's
    private static ClassLoader built() {
        try {
            assertEquals(
                    0,
                    launched("LoadTest", List.of("--help")).inheritIO().start().waitFor(),
                    "the programs are not built; see above");
            var target = FOLDER.resolve("target");
            var jars = new ArrayList<URL>();
            jars.add(target.resolve("classes").toUri().toURL());
            try (var libraries = Files.list(target.resolve("lib"))) {
                for (var library : libraries.toList()) {
                    jars.add(library.toUri().toURL());
                }
            }
            return new URLClassLoader(jars.toArray(URL[]::new), ClassLoader.getPlatformClassLoader());
        } catch (IOException | InterruptedException e) {
            throw new IllegalStateException("the programs cannot be built", e);
        }
    }

    /// Runs a program in this JVM.
    ///
    /// @return its exit status
    static int run(String program, List<String> words) throws Exception {
        Thread.currentThread().setContextClassLoader(LOADER);
        try {
            var run = LOADER.loadClass("dev.llmworker.scaling." + program).getDeclaredMethod("run", String[].class);
            run.setAccessible(true);
            return (int) run.invoke(null, (Object) words.toArray(String[]::new));
        } catch (InvocationTargetException e) {
            throw e.getCause() instanceof Exception cause ? cause : e;
        } finally {
            Thread.currentThread().setContextClassLoader(ScalingPrograms.class.getClassLoader());
        }
    }

    /// A program in a JVM of its own, as its users start it.
    static ProcessBuilder launched(String program, List<String> words) {
        return launched(FOLDER, program, words);
    }

    /// @param folder with the programs' sources
    static ProcessBuilder launched(Path folder, String program, List<String> words) {
        // Some add words to the command.
        return new ProcessBuilder(new ArrayList<>(ChildJvm.source(folder.resolve(program + ".java"), words)));
    }

    /// A shell has what it starts in the background ignore SIGINT, and everything started there inherits it: a build,
    /// its tests, and their programs.
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
}
