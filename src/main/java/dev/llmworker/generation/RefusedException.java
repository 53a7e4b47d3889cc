package dev.llmworker.generation;

/// Is thrown if a request is not served. The message is for the client.
public final class RefusedException extends RuntimeException {
    /// Why the request is refused, grouped by what the client can do about it.
    public enum Reason {
        /// The request is wrong: it would be refused again.
        INVALID,
        /// The request alone needs more memory than there is for all.
        TOO_LARGE,
        /// The model is still loading.
        LOADING,
        /// The queue is full, or the memory for requests.
        OVERLOADED,
        /// This client has used up what it may use.
        LIMITED,
        /// The engine has failed.
        FAILED
    }

    private final Reason reason;
    private final String code;
    private final int retryAfterSeconds;

    /// @param code a machine-readable reason in snake case
    public RefusedException(Reason reason, String code, String message) {
        this(reason, code, message, 0);
    }

    /// @param retryAfterSeconds when to try again; 0 if the reason's default applies
    public RefusedException(Reason reason, String code, String message, int retryAfterSeconds) {
        super(message);
        this.reason = reason;
        this.code = code;
        this.retryAfterSeconds = retryAfterSeconds;
    }

    public Reason reason() {
        return reason;
    }

    public String code() {
        return code;
    }

    /// When to try again; 0 if the reason's default applies.
    public int retryAfterSeconds() {
        return retryAfterSeconds;
    }
}
