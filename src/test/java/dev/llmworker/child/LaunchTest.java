package dev.llmworker.child;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.llmworker.testing.Await;
import dev.llmworker.testing.ChildJvm;
import dev.llmworker.testing.FaultyServer;
import dev.llmworker.testing.StartsProcesses;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// A server and what it has started end with the process that has started it.
@StartsProcesses
class LaunchTest {
    @TempDir
    Path folder;

    private List<String> words(FaultyServer server) {
        // Nothing asks it, so any port does.
        return CommandLine.parse(server.command("stubborn", "forks")).filled(Map.of(CommandLine.Placeholder.PORT, "0"));
    }

    private static void awaitThree(FaultyServer server) {
        Await.until("it has started its processes", () -> server.all().size() == 3);
        assertTrue(server.all().stream().allMatch(FaultyServer.Started::isAlive), server.all()::toString);
    }

    @Test
    void nothingOutlivesAWorkerThatIsKilled() throws Exception {
        var server = FaultyServer.in(folder);
        var host = ChildJvm.of(LauncherHost.class, Map.of(), words(server).toArray(String[]::new))
                .redirectOutput(folder.resolve("host.log").toFile())
                .start();
        try {
            awaitThree(server);
        } finally {
            host.destroyForcibly();
        }
        server.awaitGone();
    }

    @Test
    void nothingOutlivesALauncherThatIsKilled() throws Exception {
        var server = FaultyServer.in(folder);
        var launcher = new Launcher(System.getenv(), Duration.ofSeconds(60));
        var process = launcher.start(words(server));
        awaitThree(server);
        process.destroyForcibly();
        assertTrue(process.waitFor(60, TimeUnit.SECONDS));
        launcher.stop(process);
        assertTrue(server.all().stream().noneMatch(FaultyServer.Started::isAlive), server.all()::toString);
    }

    @Test
    void itEndsWithTheStatusOfTheServer() throws Exception {
        var launcher = new Launcher(System.getenv(), Duration.ofSeconds(60));
        // The builtins of a shell are programs too, or nothing.
        for (var status : Map.of(
                        List.of("true"), 0,
                        List.of("sh", "-c", "exit 7"), 7,
                        List.of("sh", "-c", "kill -9 $$"), 137,
                        List.of("no-such-program"), 127,
                        List.of("exit", "5"), 127)
                .entrySet()) {
            var process = launcher.start(status.getKey());
            assertTrue(process.waitFor(60, TimeUnit.SECONDS));
            assertEquals(status.getValue(), process.exitValue(), status.getKey()::toString);
            launcher.stop(process);
        }
    }

    /// A shell lets what it runs in the background ignore this signal, and a server may end by it.
    @Test
    void noSignalIsIgnoredInTheServer() throws Exception {
        var launcher = new Launcher(System.getenv(), Duration.ofSeconds(60));
        var process = launcher.start(List.of("grep", "SigIgn", "/proc/self/status"));
        var line = new String(process.getInputStream().readAllBytes(), StandardCharsets.US_ASCII);
        launcher.stop(process);
        // A process that ignores a signal cannot start a shell that does not.
        var here = Files.readAllLines(Path.of("/proc/self/status")).stream()
                .filter(it -> it.startsWith("SigIgn"))
                .findFirst()
                .orElseThrow();
        assertEquals(interruptAndQuit(here), interruptAndQuit(line));
    }

    private static long interruptAndQuit(String signals) {
        return Long.parseLong(signals.strip().split("\\s+")[1], 16) & 0b110;
    }

    @Test
    void whatTheMachineLacksIsNamed() {
        var launcher = new Launcher(System.getenv(), Duration.ofSeconds(1));
        assertNull(launcher.missing("sh"));
        assertEquals("no-such-program", launcher.missing("no-such-program"));
        assertNull(launcher.missing("{model}"));
        assertEquals("bash", new Launcher(Map.of(), Duration.ofSeconds(1)).missing("{model}"));
        assertEquals("src", launcher.missing("src"));
        assertEquals("./src", launcher.missing("./src"));
        assertEquals("bash", new Launcher(Map.of(), Duration.ofSeconds(1)).missing("sh"));
    }
}
