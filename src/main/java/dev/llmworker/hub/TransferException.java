package dev.llmworker.hub;

import java.io.IOException;

/// A transfer failed in a way that another attempt may mend: dropped, stalled, or the server is busy.
final class TransferException extends IOException {
    private final long retryAfterMillis;

    TransferException(String message) {
        this(message, 0);
    }

    /// @param retryAfterMillis what the server asks to wait, 0 where it asks for nothing
    TransferException(String message, long retryAfterMillis) {
        super(message);
        this.retryAfterMillis = retryAfterMillis;
    }

    TransferException(String message, Throwable cause) {
        super(message, cause);
        this.retryAfterMillis = 0;
    }

    long retryAfterMillis() {
        return retryAfterMillis;
    }
}
