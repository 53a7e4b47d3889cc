package dev.llmworker.scaling;

import java.util.Locale;

/// Says how far a run has come: a line that is drawn over itself on a terminal, otherwise one every few seconds.
///
/// Threading: any thread.
final class Progress {
    private static final double LINE_EVERY_SECONDS = 5;
    private static final double DRAW_EVERY_SECONDS = 0.1;
    /// Goes back to the begin of the line and erases it.
    private static final String ERASE = "\r\u001b[K";

    private final boolean terminal =
            System.console() != null && System.console().isTerminal() && !"dumb".equals(System.getenv("TERM"));
    private String part = "";
    private long shownNanos;

    /// Begins a part of the run.
    synchronized void begin(String name) {
        part = name;
        shownNanos = System.nanoTime();
        System.err.println(part + " …");
    }

    synchronized void update(String format, Object... figures) {
        var every = terminal ? DRAW_EVERY_SECONDS : LINE_EVERY_SECONDS;
        if (System.nanoTime() - shownNanos > every * 1e9) {
            shownNanos = System.nanoTime();
            var text = part + ": " + String.format(Locale.ROOT, format, figures);
            System.err.print(terminal ? ERASE + text : text + System.lineSeparator());
        }
    }

    /// Ends the part with its result.
    synchronized void end(String result) {
        System.err.println((terminal ? ERASE : "") + part + ": " + result);
    }
}
