package report;

import java.io.PrintStream;
import java.util.Locale;

/// Says how far a run has come: a bar drawn over itself on a terminal, and else a line every few seconds.
///
/// Threading: any thread.
public final class Progress {
    private static final int WIDTH = 24;
    private static final double LINE_EVERY_SECONDS = 5;
    private static final double DRAW_EVERY_SECONDS = 0.1;
    /// From the cursor to the end of the line, so that a shorter text leaves nothing of a longer one.
    private static final String ERASE_REST = "\u001b[K";

    private final PrintStream out;
    private final boolean terminal;
    private String name = "";
    private long shownNanos;
    private boolean drawn;

    public Progress(PrintStream out) {
        this(out, isTerminal());
    }

    Progress(PrintStream out, boolean terminal) {
        this.out = out;
        this.terminal = terminal;
    }

    private static boolean isTerminal() {
        var console = System.console();
        return console != null && console.isTerminal() && !"dumb".equals(System.getenv("TERM"));
    }

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

    /// @param done of 1
    public synchronized void update(double done, String text) {
        var every = terminal ? DRAW_EVERY_SECONDS : LINE_EVERY_SECONDS;
        if (System.nanoTime() - shownNanos < every * 1e9) {
            return;
        }
        shownNanos = System.nanoTime();
        if (terminal) {
            draw(done, text);
        } else {
            out.printf(Locale.ROOT, "%s: %3.0f %%, %s%n", name, Math.min(1, done) * 100, text);
        }
    }

    /// Ends the part, with what came of it.
    public synchronized void end(String text) {
        erase();
        out.println(name + ": " + text);
    }

    /// Something worth knowing at once.
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
