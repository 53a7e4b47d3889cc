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

    /// This exception with a line, unless it already has one.
    JinjaException at(int line) {
        if (this.line != 0) {
            return this;
        }
        var located = new JinjaException(line, reason, raisedByTemplate);
        located.setStackTrace(getStackTrace());
        return located;
    }

    /// The line of the template's statement, from 1; 0 if unknown.
    public int line() {
        return line;
    }

    /// The message without the line.
    public String reason() {
        return reason;
    }

    /// Whether the template refused its input with `raise_exception`. Then [#reason()] is the template's own message.
    /// Otherwise the template has a fault or reached a limit.
    public boolean raisedByTemplate() {
        return raisedByTemplate;
    }
}
