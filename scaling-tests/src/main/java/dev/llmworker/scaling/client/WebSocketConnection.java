package dev.llmworker.scaling.client;

import io.vertx.core.http.ClientWebSocket;
import io.vertx.core.http.HttpClosedException;
import java.util.Optional;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;

/// A client's end of a WebSocket, which records how it ends.
///
/// Threading: any thread.
public final class WebSocketConnection implements AutoCloseable {
    private static final short NORMAL_CLOSURE = 1000;

    /// @param at when it arrived, in seconds of the run
    public record Message(double at, String text) {}

    /// @param how `closed with 1001 (going away)`, `dropped without a close frame`, `connection reset`
    public record Ending(double at, String how) {}

    private final ClientWebSocket socket;
    private final RunClock clock;
    private final BlockingQueue<Optional<Message>> messages = new LinkedBlockingQueue<>();
    private volatile String worker = "";
    private volatile Optional<Throwable> failure = Optional.empty();
    private volatile Optional<Ending> ending = Optional.empty();

    /// @param socket not connected yet, so that no message is missed
    WebSocketConnection(ClientWebSocket socket, RunClock clock) {
        this.socket = socket;
        this.clock = clock;
        socket.textMessageHandler(text -> messages.add(Optional.of(new Message(clock.seconds(), text))));
        // The first one counts: Vert.x tells of a reset, and then of the end that it causes.
        socket.exceptionHandler(e -> failure = failure.or(() -> Optional.of(e)));
        socket.closeHandler(_ -> end());
    }

    void opened(String by) {
        worker = by;
    }

    private void end() {
        var code = socket.closeStatusCode();
        var reason = socket.closeReason();
        var how = code == null
                ? failure.filter(e -> !(e instanceof HttpClosedException))
                        .map(Failure::of)
                        .orElse("dropped without a close frame")
                : "closed with " + code + (reason == null || reason.isEmpty() ? "" : " (" + reason + ")");
        ending = Optional.of(new Ending(clock.seconds(), how));
        messages.add(Optional.empty());
    }

    /// The worker's id in the headers of the 101; empty if they have none.
    public String worker() {
        return worker;
    }

    /// Sends a message. If the connection has ended, `receive` and `ending` say so.
    public void send(Object json) {
        socket.writeTextMessage(Json.write(json));
    }

    /// Waits for the next message.
    ///
    /// @return empty if none came in time, or if the connection has ended and `ending` says how
    public Optional<Message> receive(double limitSeconds) throws InterruptedException {
        var next = messages.poll((long) (limitSeconds * 1000), TimeUnit.MILLISECONDS);
        return next == null ? Optional.empty() : next;
    }

    /// How it ended; empty if it is open.
    public Optional<Ending> ending() {
        return ending;
    }

    /// Sends a close frame and closes the connection.
    @Override
    public void close() {
        socket.close(NORMAL_CLOSURE);
    }

    /// The WebSocket did not open; the message says why.
    public static final class NotOpenedException extends Exception {
        private static final long serialVersionUID = 1;

        NotOpenedException(String message) {
            super(message);
        }
    }
}
