package client;

import java.io.IOException;

/// How a WebSocket came to its end.
public sealed interface Ending {
    /// By a close frame. The code is 1005 where the frame had none.
    record Closed(int code, String reason) implements Ending {
        @Override
        public String toString() {
            return "closed with " + code + (reason.isEmpty() ? "" : " (" + reason + ")");
        }
    }

    /// By the end of the TCP connection, or of TLS on it, without a close frame.
    record Dropped(String how) implements Ending {
        @Override
        public String toString() {
            return how;
        }
    }

    static Ending of(IOException failure) {
        return new Dropped(
                failure instanceof java.io.EOFException ? "dropped without a close frame" : Failure.of(failure));
    }
}
