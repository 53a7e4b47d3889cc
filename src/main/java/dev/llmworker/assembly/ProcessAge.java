package dev.llmworker.assembly;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;

/// The time since this process was begun, the shell's that became it included.
final class ProcessAge {
    private static final Path STAT = Path.of("/proc/self/stat");
    private static final Path UPTIME = Path.of("/proc/uptime");
    /// The process's start in `/proc/self/stat`, counted from what follows the name in brackets.
    private static final int START_FIELD = 19;
    /// Linux counts it in hundredths of a second, whatever its clock does.
    private static final long TICK_MILLIS = 10;

    private ProcessAge() {}

    /// To 10 ms on Linux. Elsewhere as Java has it, which may be a second off: it counts from the second in which the
    /// system was booted.
    static long millis() {
        try {
            if (Files.isReadable(STAT) && Files.isReadable(UPTIME)) {
                return millis(Files.readString(STAT), Files.readString(UPTIME));
            }
        } catch (IOException | RuntimeException _) {
            // A Linux that hides them, or has something else there.
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
