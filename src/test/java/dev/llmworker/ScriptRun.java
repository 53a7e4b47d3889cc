package dev.llmworker;

import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.llmworker.testing.Await;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.TimeUnit;

/// A script that runs in a folder of the test; its output goes to a file there.
record ScriptRun(Process process, Path output) {
    private static final int TIMEOUT_SECONDS = 150;

    static ScriptRun start(Path folder, Map<String, String> environment, String... command) throws IOException {
        var output = Files.createTempFile(folder, "output", ".txt");
        var builder = new ProcessBuilder(command)
                .directory(folder.toFile())
                .redirectErrorStream(true)
                .redirectOutput(output.toFile());
        builder.environment().putAll(environment);
        return new ScriptRun(builder.start(), output);
    }

    /// A program in `folder`, which is made if it is missing.
    static Path program(Path folder, String name, String bash) throws IOException {
        var file = Files.createDirectories(folder).resolve(name);
        Files.writeString(file, "#!/bin/bash\n" + bash);
        assertTrue(file.toFile().setExecutable(true));
        return file;
    }

    static void copy(Path folder, List<String> names) throws IOException {
        for (var name : names) {
            var copy = folder.resolve(name);
            Files.createDirectories(copy.resolveSibling("."));
            Files.copy(Path.of(name), copy, StandardCopyOption.COPY_ATTRIBUTES);
        }
    }

    /// As [Await#until], for a condition that reads files.
    static void await(String what, Callable<Boolean> condition) {
        Await.until(what, () -> {
            try {
                return condition.call();
            } catch (Exception e) {
                throw new AssertionError(e);
            }
        });
    }

    String said() throws IOException {
        return Files.readString(output);
    }

    void awaitSaying(String text) {
        await("it says: " + text, () -> {
            var said = said();
            assertTrue(said.contains(text) || process.isAlive(), "it ended: " + said);
            return said.contains(text);
        });
    }

    int status() throws InterruptedException {
        assertTrue(process.waitFor(TIMEOUT_SECONDS, TimeUnit.SECONDS), "it still runs");
        return process.exitValue();
    }
}
