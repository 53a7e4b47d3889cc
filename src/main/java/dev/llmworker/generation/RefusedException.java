package dev.llmworker.generation;

/// A request that is not served; the message is for the client.
public final class RefusedException extends RuntimeException {
    /// Why, by what the client can do about it.
    public enum Reason {
        /// The request is wrong; sent again it is refused again.
        INVALID,
        /// The model is still loading.
        LOADING,
        /// The queue is full.
        OVERLOADED,
        /// The engine has failed.
        FAILED
    }

    private final Reason reason;
    private final String code;
    private final int retryAfterSeconds;

    /// @param code what is wrong, in snake case, for programs
    public RefusedException(Reason reason, String code, String message) {
        this(reason, code, message, 0);
    }

    /// @param retryAfterSeconds when to try again; 0 where that goes with the reason
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

    /// When to try again; 0 where that goes with the reason.
    public int retryAfterSeconds() {
        return retryAfterSeconds;
    }
}
