package dev.llmworker.constraint;

/// Is thrown if a constraint cannot be enforced: it is malformed, uses what is not supported, allows no answer,
/// or is larger than a limit. The message names the place and the limit.
public final class ConstraintException extends IllegalArgumentException {
    private final String path;
    private final String message;

    /// @param path the place in the schema, such as `$.properties.a.pattern`; for a regular expression `regex`
    /// @param problem what is wrong there, in words that follow the path
    public ConstraintException(String path, String problem) {
        this.path = path;
        message = path + ' ' + problem;
    }

    @Override
    public String getMessage() {
        return message;
    }

    /// The place in the schema.
    public String path() {
        return path;
    }
}
