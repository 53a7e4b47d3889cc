package dev.llmworker.text.jinja;

/// A template that cannot be parsed or rendered.
public final class JinjaException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    /// What went wrong.
    public enum Kind {
        /// The template has a fault, or does not fit its variables.
        FAULT,
        /// The template refused its input with `raise_exception`.
        RAISED,
        /// A text would be longer than [JinjaLimits] allows.
        TOO_LONG,
        /// The rendering would take more steps or levels than [JinjaLimits] allows.
        TOO_MUCH_WORK
    }

    private final int line;
    private final String reason;
    private final Kind kind;

    JinjaException(String reason) {
        this(0, reason, Kind.FAULT);
    }

    private JinjaException(int line, String reason, Kind kind) {
        super(line == 0 ? reason : "line " + line + " of the template: " + reason);
        this.line = line;
        this.reason = reason;
        this.kind = kind;
    }

    static JinjaException at(int line, String reason) {
        return new JinjaException(line, reason, Kind.FAULT);
    }

    /// What `raise_exception('…')` throws.
    static JinjaException raised(String reason) {
        return new JinjaException(
                0, reason.isBlank() ? "the template refuses its input, and does not say why" : reason, Kind.RAISED);
    }

    /// A limit of [JinjaLimits] is reached.
    static JinjaException limit(Kind kind, String reason) {
        return new JinjaException(0, reason, kind);
    }

    /// This exception with a line, unless it already has one.
    JinjaException at(int line) {
        if (this.line != 0) {
            return this;
        }
        var located = new JinjaException(line, reason, kind);
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

    public Kind kind() {
        return kind;
    }
}
