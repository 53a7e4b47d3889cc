package dev.llmworker.child;

import java.io.File;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.UUID;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Starts servers by `launch.sh`, which stops a server with everything that it has started when its standard
/// input ends. So nothing is left behind, even if this process is killed.
///
/// Threading: any thread.
public final class Launcher {
    private static final Logger LOG = LoggerFactory.getLogger(Launcher.class);
    private static final List<String> TOOLS = List.of("bash", "setsid");
    private static final Duration SWEEP_LIMIT = Duration.ofSeconds(10);

    private final Map<String, String> environment;
    private final Duration stop;
    private final String script;
    /// All processes of this worker's servers have it in their environment.
    private final String mark = UUID.randomUUID().toString();

    /// @param environment of the servers, complete
    /// @param stop how long a server may take to end after SIGTERM; whole seconds
    public Launcher(Map<String, String> environment, Duration stop) {
        this.environment = Map.copyOf(environment);
        this.stop = stop;
        script = script();
    }

    private static String script() {
        try (var in = Launcher.class.getResourceAsStream("launch.sh")) {
            return new String(Objects.requireNonNull(in, "launch.sh").readAllBytes(), StandardCharsets.UTF_8);
        } catch (IOException e) {
            throw new IllegalStateException(e);
        }
    }

    /// The first of the programs that a server needs and this machine does not have; null if they are all there.
    ///
    /// @param program the first word of the server's command; one with a placeholder is not known yet
    public @Nullable String missing(String program) {
        for (var tool : TOOLS) {
            if (!isProgram(tool)) {
                return tool;
            }
        }
        return program.contains("{") || isProgram(program) ? null : program;
    }

    private boolean isProgram(String name) {
        if (name.contains("/")) {
            return isExecutable(name);
        }
        for (var folder : environment.getOrDefault("PATH", "").split(File.pathSeparator, -1)) {
            if (isExecutable((folder.isEmpty() ? "." : folder) + "/" + name)) {
                return true;
            }
        }
        return false;
    }

    private static boolean isExecutable(String file) {
        try {
            var path = Path.of(file);
            return Files.isRegularFile(path) && Files.isExecutable(path);
        } catch (InvalidPathException _) {
            return false;
        }
    }

    /// Starts a server.
    Process start(List<String> words) throws IOException {
        var arguments = new ArrayList<>(List.of("run", Long.toString(stop.toSeconds()), mark));
        arguments.addAll(words);
        return process(arguments).redirectErrorStream(true).start();
    }

    private ProcessBuilder process(List<String> arguments) {
        // Signals of a terminal reach the worker's session only.
        var words = new ArrayList<>(List.of("setsid", "bash", "-c", script, "engine-launcher"));
        words.addAll(arguments);
        var builder = new ProcessBuilder(words);
        builder.environment().clear();
        builder.environment().putAll(environment);
        return builder;
    }

    /// Stops a server. Returns when it has ended, and nothing of it is left.
    void stop(Process server) {
        closeInput(server);
        if (!hasEnded(server, stop.plus(SWEEP_LIMIT))) {
            LOG.warn("the launcher of the engine's server does not end; it is killed");
            server.destroyForcibly();
        }
        sweep();
    }

    private static void closeInput(Process process) {
        try {
            process.getOutputStream().close();
        } catch (IOException _) {
            // It has ended.
        }
    }

    /// Kills what servers of this worker have left behind. The launcher does so too, unless somebody has killed it.
    private void sweep() {
        try {
            var sweep = process(List.of("sweep", mark))
                    .redirectOutput(ProcessBuilder.Redirect.DISCARD)
                    .redirectError(ProcessBuilder.Redirect.DISCARD)
                    .start();
            closeInput(sweep);
            if (!hasEnded(sweep, SWEEP_LIMIT)) {
                LOG.warn("processes of the engine's server may be left");
                sweep.destroyForcibly();
            }
        } catch (IOException e) {
            LOG.warn("processes of the engine's server may be left: {}", e.getMessage());
        }
    }

    /// Waits even if the thread is interrupted: the end of the worker must not leave a server behind.
    private static boolean hasEnded(Process process, Duration most) {
        var interrupted = false;
        var end = System.nanoTime() + most.toNanos();
        try {
            while (true) {
                try {
                    return process.waitFor(end - System.nanoTime(), TimeUnit.NANOSECONDS);
                } catch (InterruptedException _) {
                    interrupted = true;
                }
            }
        } finally {
            if (interrupted) {
                Thread.currentThread().interrupt();
            }
        }
    }
}
