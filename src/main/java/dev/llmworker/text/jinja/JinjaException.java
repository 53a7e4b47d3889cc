package dev.llmworker.text.jinja;

/// A template that cannot be parsed or rendered.
public final class JinjaException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    private final int line;
    private final String reason;
    private final boolean raisedByTemplate;

    JinjaException(String reason) {
        this(0, reason, false);
    }

    private JinjaException(int line, String reason, boolean raisedByTemplate) {
        super(line == 0 ? reason : "line " + line + " of the template: " + reason);
        this.line = line;
        this.reason = reason;
        this.raisedByTemplate = raisedByTemplate;
    }

    static JinjaException at(int line, String reason) {
        return new JinjaException(line, reason, false);
    }

    /// What `raise_exception('…')` throws.
    static JinjaException raised(String reason) {
        return new JinjaException(
                0, reason.isBlank() ? "the template refuses its input, and does not say why" : reason, true);
    }

    /// The same with a line, unless it has one already.
    JinjaException at(int line) {
        if (this.line != 0) {
            return this;
        }
        var located = new JinjaException(line, reason, raisedByTemplate);
        located.setStackTrace(getStackTrace());
        return located;
    }

    /// Line of the template's statement, from 1.
    public int line() {
        return line;
    }

    /// What is wrong, without the line.
    public String reason() {
        return reason;
    }

    /// Whether the template itself refused its input by `raise_exception`, with [#reason()] as its words. All else is a
    /// fault of the template, or a limit that was reached.
    public boolean raisedByTemplate() {
        return raisedByTemplate;
    }
}
