package dev.llmworker.serving.responses;

import dev.llmworker.serving.connection.WebSocketClient;
import dev.llmworker.serving.connection.WebSocketConnection;
import dev.llmworker.serving.delivery.Generations;
import dev.llmworker.serving.wire.JsonError;
import dev.llmworker.serving.wire.RequestException;
import dev.llmworker.serving.wire.StreamEvent;
import java.util.ArrayList;
import java.util.List;

/// A response on a WebSocket, from its request to its end. Its client may send messages that steer it until then.
///
/// Threading: any thread; who sends an event waits while the client does not read.
final class SteerableResponse {
    private static final int MAX_STEERINGS = 16;

    final ResponseRequest request;
    final ResponseWriter writer;
    final WebSocketClient client;
    /// Messages of its input that had waited.
    final List<Steering> begunBy;
    /// Whether the worker itself made the request.
    final boolean isSuccessor;

    final Generations.Held held;
    private final WebSocketConnection connection;
    private final List<Steering> steerings = new ArrayList<>(0);
    private boolean isOver;

    SteerableResponse(
            ResponseRequest request,
            ResponseWriter writer,
            WebSocketClient client,
            List<Steering> begunBy,
            boolean isSuccessor,
            Generations.Held held) {
        this.request = request;
        this.writer = writer;
        this.client = client;
        this.begunBy = begunBy;
        this.isSuccessor = isSuccessor;
        this.held = held;
        connection = client.connection();
    }

    /// @return false if the client has disconnected
    synchronized boolean send(Iterable<StreamEvent> events) {
        for (var event : events) {
            connection.send(event.data());
        }
        return !connection.isClosed();
    }

    /// Accepts messages that steer it.
    ///
    /// @throws RequestException if it has ended, or too many wait already
    synchronized void steer(Steering steering) {
        if (isOver) {
            throw new RequestException(JsonError.of(
                    400,
                    "response_already_completed",
                    "the response has ended; send response.create to go on from it"));
        }
        if (steerings.size() >= MAX_STEERINGS) {
            throw new RequestException(JsonError.of(
                    400,
                    "too_many_pending_steers",
                    MAX_STEERINGS + " inputs wait for the end of the response already, which is the limit"));
        }
        steerings.add(steering);
        writer.steer();
        connection.send(writer.steering("accepted", steering.named()).data());
    }

    /// It cannot be steered any more, and what its client has sent to steer it is lost.
    synchronized void dropSteerings() {
        isOver = true;
        steerings.forEach(Steering::close);
    }

    /// Sends the last events. It cannot be steered any more.
    ///
    /// @return what its client has sent to steer it
    synchronized List<Steering> end(Iterable<StreamEvent> last) {
        send(last);
        isOver = true;
        return List.copyOf(steerings);
    }
}
