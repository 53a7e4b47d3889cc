package dev.llmworker.testing;

import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/// What `src/test/python/faulty_server.py` has done so far.
///
/// @param record where its processes write their ids
public record FaultyServer(Path record) {
    private static final String SCRIPT = "src/test/python/faulty_server.py";

    /// A process of the server, or one that it started.
    ///
    /// @param port empty for the latter
    public record Started(long pid, String port) {
        public boolean isAlive() {
            // One that nobody has waited for yet has ended, too.
            try {
                return !Files.readString(Path.of("/proc/" + pid + "/stat"))
                        .replaceFirst(".*\\) ", "")
                        .startsWith("Z");
            } catch (IOException _) {
                return false;
            }
        }

        public void kill() {
            ProcessHandle.of(pid).orElseThrow().destroyForcibly();
        }

        /// Sends a signal that Java does not have.
        public void signal(String name) throws Exception {
            assertTrue(
                    new ProcessBuilder("kill", "-" + name, Long.toString(pid))
                                    .start()
                                    .waitFor()
                            == 0,
                    name);
        }
    }

    public static FaultyServer in(Path folder) {
        return new FaultyServer(folder.resolve("started"));
    }

    /// As `ENGINE_COMMAND` has it.
    public String command(String... faults) {
        return "python3 -I '" + Path.of(SCRIPT).toAbsolutePath() + "' --port {port} --started '" + record + "' "
                + String.join(" ", faults);
    }

    /// All processes, also those that have ended.
    public List<Started> all() {
        var all = new ArrayList<Started>();
        try {
            for (var line : Files.exists(record) ? Files.readAllLines(record) : List.<String>of()) {
                var words = line.split(" ");
                all.add(new Started(Long.parseLong(words[0]), words[1].equals("-") ? "" : words[1]));
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return all;
    }

    /// The processes of the server itself.
    public List<Started> servers() {
        return all().stream().filter(it -> !it.port().isEmpty()).toList();
    }

    public void awaitGone() {
        Await.until("all have ended: " + all(), () -> all().stream().noneMatch(Started::isAlive));
    }
}
