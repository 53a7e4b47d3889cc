package dev.llmworker.text.jinja;

/// A template that cannot be parsed or rendered.
public final class JinjaException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    /// Whose fault it is.
    private enum Origin {
        TEMPLATE,
        RAISED,
        LIMIT
    }

    private final int line;
    private final String reason;
    private final Origin origin;

    JinjaException(String reason) {
        this(0, reason, Origin.TEMPLATE);
    }

    private JinjaException(int line, String reason, Origin origin) {
        super(line == 0 ? reason : "line " + line + " of the template: " + reason);
        this.line = line;
        this.reason = reason;
        this.origin = origin;
    }

    static JinjaException at(int line, String reason) {
        return new JinjaException(line, reason, Origin.TEMPLATE);
    }

    /// What `raise_exception('…')` throws.
    static JinjaException raised(String reason) {
        return new JinjaException(
                0, reason.isBlank() ? "the template refuses its input, and does not say why" : reason, Origin.RAISED);
    }

    /// What a rendering throws that reaches one of its [JinjaLimits].
    static JinjaException limit(String reason) {
        return new JinjaException(0, reason, Origin.LIMIT);
    }

    /// This exception with a line, unless it already has one.
    JinjaException at(int line) {
        if (this.line != 0) {
            return this;
        }
        var located = new JinjaException(line, reason, origin);
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
    public boolean raisedByTemplate() {
        return origin == Origin.RAISED;
    }

    /// Whether the rendering reached a limit. Then a smaller input may render.
    public boolean limitReached() {
        return origin == Origin.LIMIT;
    }
}
