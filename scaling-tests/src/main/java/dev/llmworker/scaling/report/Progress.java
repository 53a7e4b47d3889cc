package dev.llmworker.scaling.report;

import java.io.PrintStream;
import java.util.Locale;

/// Shows how far a run has come: a bar that is drawn over itself on a terminal, otherwise a line every few seconds.
///
/// Threading: any thread.
public final class Progress {
    private static final int WIDTH = 24;
    private static final double LINE_EVERY_SECONDS = 5;
    private static final double DRAW_EVERY_SECONDS = 0.1;
    /// Erases from the cursor to the end of the line, so that a shorter text leaves nothing of a longer one.
    private static final String ERASE_REST = "\u001b[K";

    private final PrintStream out = System.err;
    private final boolean terminal =
            System.console() != null && System.console().isTerminal() && !"dumb".equals(System.getenv("TERM"));
    private String name = "";
    private long shownNanos;
    private boolean drawn;

    /// Begins a part of the run.
    public synchronized void begin(String part) {
        name = part;
        shownNanos = System.nanoTime();
        if (terminal) {
            draw(0, "");
        } else {
            out.println(part + " …");
        }
    }

    /// @param done from 0 to 1
    public synchronized void update(double done, String text) {
        var everySeconds = terminal ? DRAW_EVERY_SECONDS : LINE_EVERY_SECONDS;
        if (System.nanoTime() - shownNanos < everySeconds * 1e9) {
            return;
        }
        shownNanos = System.nanoTime();
        if (terminal) {
            draw(done, text);
        } else {
            out.printf(Locale.ROOT, "%s: %3.0f %%, %s%n", name, Math.min(1, done) * 100, text);
        }
    }

    /// Ends the part with its result.
    public synchronized void end(String text) {
        erase();
        out.println(name + ": " + text);
    }

    public synchronized void note(String text) {
        erase();
        out.println("  " + text);
    }

    private void draw(double done, String text) {
        var filled = (int) (Math.clamp(done, 0, 1) * WIDTH);
        out.print("\r" + name + " [" + "#".repeat(filled) + ".".repeat(WIDTH - filled) + "] " + text + ERASE_REST);
        out.flush();
        drawn = true;
    }

    private void erase() {
        if (drawn) {
            out.print("\r" + ERASE_REST);
            drawn = false;
        }
    }
}
