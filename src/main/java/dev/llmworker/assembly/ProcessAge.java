package dev.llmworker.assembly;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;

/// The process's age, including the launcher shell that it replaced, but without what the shell built or fetched.
final class ProcessAge {
    private static final Path STAT = Path.of("/proc/self/stat");
    private static final Path UPTIME = Path.of("/proc/uptime");
    /// The index of the start time in `/proc/self/stat`, counted after the name in brackets.
    private static final int START_FIELD = 19;
    /// Linux counts it in hundredths of a second, regardless of its clock.
    private static final long TICK_MILLIS = 10;

    /// Set by the launcher: how long it built and fetched.
    private static final long PREPARED_MILLIS = Long.getLong("llmworker.prepared.millis", 0);

    private ProcessAge() {}

    /// The age, to 10 ms on Linux. Elsewhere it is Java's figure, which may be a second off: it counts from the
    /// second in which the system booted.
    static long millis() {
        return Math.max(0, ofProcessMillis() - PREPARED_MILLIS);
    }

    private static long ofProcessMillis() {
        try {
            if (Files.isReadable(STAT) && Files.isReadable(UPTIME)) {
                return millis(Files.readString(STAT), Files.readString(UPTIME));
            }
        } catch (IOException | RuntimeException _) {
            // Some systems hide the file or have other contents in it.
        }
        return ProcessHandle.current()
                .info()
                .startInstant()
                .map(start -> Duration.between(start, Instant.now()).toMillis())
                .orElse(0L);
    }

    static long millis(String stat, String uptime) {
        var fields = stat.substring(stat.lastIndexOf(')') + 1).strip().split(" ");
        var booted = uptime.substring(0, uptime.indexOf(' '));
        var sinceBootMillis = Math.round(Double.parseDouble(booted) * 1000);
        return sinceBootMillis - Long.parseLong(fields[START_FIELD]) * TICK_MILLIS;
    }
}
