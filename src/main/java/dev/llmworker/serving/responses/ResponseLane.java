package dev.llmworker.serving.responses;

import dev.llmworker.generation.PrefixHold;
import dev.llmworker.serving.connection.Client;
import dev.llmworker.serving.connection.SerialExecutor;
import dev.llmworker.serving.connection.WebSocketConnection;
import dev.llmworker.text.chat.ChatMessage;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// One of the lanes of a WebSocket: its responses run one after the other. The newest one stays there for the next,
/// even if it is not stored, or not any more.
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
    /// Messages that wait for a response that is not the newest any more.
    private final List<Steering> lost = new ArrayList<>(0);
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

    /// The store has a response that has ended, if there is room, and lets go the one before it. It is the newest,
    /// unless a client has cancelled it.
    ///
    /// @param turns null if nothing may follow it
    synchronized ResponseStore.End ended(
            Client client, String id, ResponseStore.@Nullable Stored stored, @Nullable List<ChatMessage> turns) {
        var local = turns == null || closed ? null : new ResponseStore.Local(connection, turns, newest);
        var end = store.finish(client, id, stored, local);
        if (local != null && end != ResponseStore.End.CANCELLED) {
            newest = id;
            owner = client;
            lost.addAll(queued);
            queued = List.of();
        }
        return end;
    }

    /// Takes the messages that waited for a response that has been followed by another one.
    synchronized List<Steering> takeLost() {
        var taken = List.copyOf(lost);
        lost.clear();
        return taken;
    }

    /// Messages wait for the results of the newest response's calls.
    synchronized void queue(List<Steering> waiting) {
        if (closed) {
            waiting.forEach(Steering::close);
        } else {
            queued = waiting;
        }
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
        var waited = queued;
        queued = List.of();
        return waited;
    }

    synchronized void close() {
        closed = true;
        forget().forEach(Steering::close);
        takeLost().forEach(Steering::close);
        prefix.release();
    }
}
