package dev.llmworker.scaling;

import java.io.EOFException;
import java.io.IOException;
import java.util.Optional;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.function.DoubleSupplier;
import okhttp3.Response;
import okhttp3.WebSocket;
import okhttp3.WebSocketListener;

/// A client's end of a WebSocket, which records how it ends.
///
/// Threading: any thread.
final class WebSocketConnection extends WebSocketListener implements AutoCloseable {
    private static final int NORMAL_CLOSURE = 1000;

    /// @param at when it arrived, in seconds of the run
    record Message(double at, String text) {}

    /// @param how `closed with 1001 (going away)`, `dropped without a close frame`, `connection reset`
    record Ending(double at, String how) {}

    private final DoubleSupplier clock;
    private final BlockingQueue<Optional<Message>> messages = new LinkedBlockingQueue<>();
    /// The worker's id in the headers of the 101; empty if they have none.
    final CompletableFuture<String> worker = new CompletableFuture<>();
    private volatile WebSocket socket;
    private volatile Optional<Ending> ending = Optional.empty();

    WebSocketConnection(DoubleSupplier clock) {
        this.clock = clock;
    }

    @Override
    public void onOpen(WebSocket opened, Response response) {
        socket = opened;
        worker.complete(Client.worker(response));
    }

    @Override
    public void onMessage(WebSocket from, String text) {
        messages.add(Optional.of(new Message(clock.getAsDouble(), text)));
    }

    @Override
    public void onClosing(WebSocket from, int code, String reason) {
        end("closed with " + code + (reason.isEmpty() ? "" : " (" + reason + ")"));
        from.close(NORMAL_CLOSURE, null);
    }

    /// @param response to a handshake that was refused; null for every other failure
    @Override
    public void onFailure(WebSocket from, Throwable failure, Response response) {
        String how;
        try {
            how = response != null && !worker.isDone()
                    ? Client.outcome(response, response.body().string())
                    : failure instanceof EOFException ? "dropped without a close frame" : Client.failure(failure);
        } catch (IOException e) {
            how = Client.failure(e);
        }
        worker.completeExceptionally(new IOException(how));
        end(how);
    }

    private void end(String how) {
        ending = ending.or(() -> Optional.of(new Ending(clock.getAsDouble(), how)));
        messages.add(Optional.empty());
    }

    /// Sends a message. If the connection has ended, `receive` and `ending` say so.
    void send(Object json) {
        socket.send(Json.write(json));
    }

    /// Waits for the next message.
    ///
    /// @return empty if none came in time, or if the connection has ended and `ending` says how
    Optional<Message> receive(double limitSeconds) throws InterruptedException {
        var next = messages.poll((long) (limitSeconds * 1000), TimeUnit.MILLISECONDS);
        return next == null ? Optional.empty() : next;
    }

    /// How it ended; empty if it is open.
    Optional<Ending> ending() {
        return ending;
    }

    /// Sends a close frame and closes the connection.
    @Override
    public void close() {
        socket.close(NORMAL_CLOSURE, null);
    }
}
