package dev.llmworker.hub.progress;

import dev.llmworker.hub.progress.ThrottledProgress.Standing;
import java.io.PrintWriter;
import java.time.Duration;

/// A progress bar that redraws itself on one line of a terminal.
public record TerminalBar(PrintWriter terminal) implements ThrottledProgress.Display {
    private static final int WIDTH = 30;
    /// Erases from the cursor to the end of the line, so that no rest of a longer text remains.
    private static final String ERASE_REST = "\u001b[K";

    @Override
    public long intervalNanos() {
        return Duration.ofMillis(100).toNanos();
    }

    @Override
    public void begun(Standing standing) {
        draw(standing);
    }

    @Override
    public void during(Standing standing) {
        draw(standing);
    }

    @Override
    public void ended(Standing standing) {
        draw(standing);
        terminal.print('\n');
        terminal.flush();
    }

    private void draw(Standing standing) {
        var filled = standing.percent() * WIDTH / 100;
        var bar = "#".repeat(filled) + ".".repeat(WIDTH - filled);
        terminal.print("\r" + standing.name() + " [" + bar + "] " + standing.amounts() + ERASE_REST);
        terminal.flush();
    }
}
