package dev.llmworker.hub.progress;

import java.io.PrintWriter;
import java.time.Duration;
import java.util.Locale;
import java.util.function.Consumer;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;
import org.slf4j.LoggerFactory;

/// Counts the bytes of work such as a download or a check, and shows the count from time to time: as a bar that
/// redraws itself on one line of a terminal, or as lines of a log.
///
/// Threading: called by the one thread that works.
public class Progress {
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
    public Progress(@Nullable PrintWriter terminal, Consumer<String> log, LongSupplier nanoTime) {
        this.terminal = terminal;
        this.log = log;
        this.nanoTime = nanoTime;
    }

    /// A bar on a terminal, or else a log line every few seconds: hosts throttle logs, and a file cannot show a
    /// bar.
    public static Progress ofThisProcess() {
        var console = System.console();
        var terminal = console != null && console.isTerminal() ? console.writer() : null;
        return new Progress(terminal, LoggerFactory.getLogger(Progress.class)::info, System::nanoTime);
    }

    /// Shows nothing.
    public static Progress silent() {
        return new Progress(null, _ -> {}, System::nanoTime);
    }

    /// Starts a new stage; one that was not ended counts as abandoned.
    ///
    /// @param name shown to the operator, such as `downloading model.gguf`
    /// @param totalBytes the sum of all calls of `advanced`
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

    /// This many more bytes are done.
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

    /// The stage has ended, complete or not.
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
        var done = amount(bytes);
        return bytes >= totalBytes ? done : done + " of " + amount(totalBytes) + " (" + percent() + " %)";
    }

    /// Decimal units, as for disks and downloads: `98.4 MB`.
    public static String amount(long bytes) {
        if (bytes < 1_000) {
            return bytes + " bytes";
        }
        var unit = bytes < 1_000_000 ? "kB" : bytes < 1_000_000_000 ? "MB" : "GB";
        var size = bytes < 1_000_000 ? 1e3 : bytes < 1_000_000_000 ? 1e6 : 1e9;
        return String.format(Locale.ROOT, "%.1f %s", bytes / size, unit);
    }
}
