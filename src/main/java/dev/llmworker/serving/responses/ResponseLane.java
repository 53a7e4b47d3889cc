package dev.llmworker.serving.responses;

import dev.llmworker.generation.PrefixHold;
import dev.llmworker.serving.connection.Client;
import dev.llmworker.serving.connection.SerialExecutor;
import dev.llmworker.serving.connection.WebSocketConnection;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// One of the lanes of a WebSocket: its responses run one after the other. The newest one stays there for the next,
/// even if it is not stored.
///
/// Threading: any thread.
final class ResponseLane {
    /// Null for the lane of requests that name none.
    final @Nullable String streamId;

    final SerialExecutor tasks = new SerialExecutor("responses");
    /// Of the conversation, which has one cached prefix.
    final PrefixHold prefix = new PrefixHold();

    private final ResponseStore store;
    private final WebSocketConnection connection;
    private @Nullable SteerableResponse running;
    /// The newest response.
    private @Nullable String newest;

    private @Nullable Client owner;
    /// Messages that wait until the client sends the results of the newest response's calls.
    private List<Steering> queued = List.of();
    private boolean closed;

    ResponseLane(@Nullable String streamId, ResponseStore store, WebSocketConnection connection) {
        this.streamId = streamId;
        this.store = store;
        this.connection = connection;
    }

    synchronized void runs(@Nullable SteerableResponse response) {
        running = response;
    }

    /// The response with this id, if it runs now.
    synchronized @Nullable SteerableResponse running(String id) {
        return running != null && running.writer.id().equals(id) ? running : null;
    }

    synchronized boolean hasNewest(String id) {
        return id.equals(newest);
    }

    /// A response has ended, and is the newest. The one before it goes.
    ///
    /// @param waiting messages that wait for the results of its calls
    /// @return messages that waited for another response
    synchronized List<Steering> keep(Client client, SteerableResponse ended, List<Steering> waiting) {
        var lost = forget();
        if (closed) {
            waiting.forEach(Steering::close);
            return lost;
        }
        newest = ended.writer.id();
        owner = client;
        queued = waiting;
        if (!ended.request.stores()) {
            store.putLocal(
                    client,
                    connection,
                    new ResponseStore.Stored(newest, "", List.of(), List.of(), ended.writer.turns()));
        }
        return lost;
    }

    /// Takes the messages that wait for a request that follows this response.
    synchronized List<Steering> takeQueued(@Nullable String previousId) {
        if (previousId == null || !previousId.equals(newest)) {
            return List.of();
        }
        var taken = queued;
        queued = List.of();
        return taken;
    }

    /// A request that was to follow this response has failed.
    ///
    /// @return messages that waited for it
    synchronized List<Steering> failed(@Nullable String previousId) {
        return previousId != null && previousId.equals(newest) ? forget() : List.of();
    }

    private List<Steering> forget() {
        if (newest != null && owner != null) {
            store.releaseLocal(owner, newest);
        }
        newest = null;
        var lost = queued;
        queued = List.of();
        return lost;
    }

    synchronized void close() {
        closed = true;
        forget().forEach(Steering::close);
        prefix.release();
    }
}
