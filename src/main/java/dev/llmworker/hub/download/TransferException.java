package dev.llmworker.hub.download;

import java.io.IOException;

/// A transfer failed in a way that another attempt may mend: dropped, stalled, or the server is busy.
public final class TransferException extends IOException {
    private final long retryAfterMillis;

    public TransferException(String message) {
        this(message, 0);
    }

    /// @param retryAfterMillis what the server asks to wait, 0 where it asks for nothing
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
