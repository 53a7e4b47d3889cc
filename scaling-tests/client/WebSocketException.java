package client;

import java.io.IOException;

/// A WebSocket that did not open.
public final class WebSocketException extends IOException {
    private static final long serialVersionUID = 1;
    private final int status;

    /// @param status the answer to the handshake, 0 where there was none
    WebSocketException(int status, String message) {
        super(message);
        this.status = status;
    }

    public int status() {
        return status;
    }
}
