package dev.llmworker.hub.progress;

import java.io.PrintWriter;
import java.time.Duration;
import java.util.function.Consumer;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;

/// Counts bytes, and shows the count from time to time: as a bar that redraws itself on one line of a terminal, or as
/// lines of a log.
final class ThrottledProgress implements Progress {
    private static final long BAR_INTERVAL_NANOS = Duration.ofMillis(100).toNanos();
    private static final long LOG_INTERVAL_NANOS = Duration.ofSeconds(5).toNanos();
    private static final int BAR_WIDTH = 30;
    /// Erases from the cursor to the end of the line, so that no rest of a longer text remains.
    private static final String ERASE_REST = "\u001b[K";

    private final @Nullable PrintWriter terminal;
    private final Consumer<String> log;
    private final LongSupplier nanoTime;
    private String name = "";
    private long totalBytes;
    private long bytes;
    private long begunNanos;
    private long shownNanos;

    /// @param terminal gets the bar; if it is null, `log` gets a line every five seconds and one at the end
    ThrottledProgress(@Nullable PrintWriter terminal, Consumer<String> log, LongSupplier nanoTime) {
        this.terminal = terminal;
        this.log = log;
        this.nanoTime = nanoTime;
    }

    @Override
    public void stage(String name, long totalBytes) {
        this.name = name;
        this.totalBytes = totalBytes;
        bytes = 0;
        begunNanos = nanoTime.getAsLong();
        shownNanos = begunNanos;
        if (terminal != null) {
            draw(terminal, "");
        }
    }

    @Override
    public void advanced(long bytes) {
        this.bytes += bytes;
        var now = nanoTime.getAsLong();
        if (now - shownNanos < (terminal != null ? BAR_INTERVAL_NANOS : LOG_INTERVAL_NANOS)) {
            return;
        }
        shownNanos = now;
        if (terminal != null) {
            draw(terminal, "");
        } else {
            log.accept(name + ": " + amounts());
        }
    }

    @Override
    public void done() {
        if (terminal != null) {
            draw(terminal, "\n");
        } else {
            var seconds = Math.round((nanoTime.getAsLong() - begunNanos) / 1e9);
            log.accept(name + ": " + amounts() + " in " + seconds + " s");
        }
    }

    private void draw(PrintWriter terminal, String end) {
        var filled = percent() * BAR_WIDTH / 100;
        var bar = "#".repeat(filled) + ".".repeat(BAR_WIDTH - filled);
        terminal.print("\r" + name + " [" + bar + "] " + amounts() + ERASE_REST + end);
        terminal.flush();
    }

    /// From 0 to 100, rounded down: 100 only when all is done.
    private int percent() {
        return totalBytes <= 0 ? 100 : (int) Math.min(100, bytes * 100.0 / totalBytes);
    }

    private String amounts() {
        var done = ByteCount.text(bytes);
        return bytes >= totalBytes ? done : done + " of " + ByteCount.text(totalBytes) + " (" + percent() + " %)";
    }
}
