package dev.llmworker.hub.download;

import java.io.IOException;

/// Is thrown if a transfer failed but a retry may succeed: it dropped, it stalled, or the server is busy.
public final class TransferException extends IOException {
    private final long retryAfterMillis;

    public TransferException(String message) {
        this(message, 0);
    }

    /// @param retryAfterMillis the wait that the server asks for; 0 for none
    public TransferException(String message, long retryAfterMillis) {
        super(message);
        this.retryAfterMillis = retryAfterMillis;
    }

    public TransferException(String message, Throwable cause) {
        super(message, cause);
        this.retryAfterMillis = 0;
    }

    public long retryAfterMillis() {
        return retryAfterMillis;
    }
}
