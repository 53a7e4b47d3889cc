package dev.llmworker.hub.progress;

import java.util.function.LongSupplier;

/// Counts bytes, and updates its display no more often than the display allows.
final class ThrottledProgress implements Progress {
    /// Shows the counts.
    sealed interface Display permits TerminalBar, LogLines {
        /// The shortest time between two calls of `during`.
        long intervalNanos();

        void begun(Standing standing);

        void during(Standing standing);

        void ended(Standing standing);
    }

    /// The state of a stage.
    record Standing(String name, long bytes, long totalBytes, long elapsedNanos) {
        /// From 0 to 100, rounded down: 100 only when all is done.
        int percent() {
            return totalBytes <= 0 ? 100 : (int) Math.min(100, bytes * 100.0 / totalBytes);
        }

        boolean isWhole() {
            return bytes >= totalBytes;
        }

        String amounts() {
            return isWhole()
                    ? ByteCount.text(bytes)
                    : ByteCount.text(bytes) + " of " + ByteCount.text(totalBytes) + " (" + percent() + " %)";
        }

        long elapsedSeconds() {
            return Math.round(elapsedNanos / 1e9);
        }
    }

    private final Display display;
    private final LongSupplier nanoTime;
    private String name = "";
    private long totalBytes;
    private long bytes;
    private long begunNanos;
    private long shownNanos;

    ThrottledProgress(Display display, LongSupplier nanoTime) {
        this.display = display;
        this.nanoTime = nanoTime;
    }

    @Override
    public void stage(String name, long totalBytes) {
        this.name = name;
        this.totalBytes = totalBytes;
        bytes = 0;
        begunNanos = nanoTime.getAsLong();
        shownNanos = begunNanos;
        display.begun(standing(begunNanos));
    }

    @Override
    public void advanced(long bytes) {
        this.bytes += bytes;
        var now = nanoTime.getAsLong();
        if (now - shownNanos >= display.intervalNanos()) {
            shownNanos = now;
            display.during(standing(now));
        }
    }

    @Override
    public void done() {
        display.ended(standing(nanoTime.getAsLong()));
    }

    private Standing standing(long nowNanos) {
        return new Standing(name, bytes, totalBytes, nowNanos - begunNanos);
    }
}
