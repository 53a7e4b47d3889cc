package dev.llmworker.serving.responses;

import dev.llmworker.generation.Generator;
import dev.llmworker.serving.connection.Client;
import dev.llmworker.serving.connection.Requests;
import dev.llmworker.serving.connection.WebSocketClient;
import dev.llmworker.serving.connection.WebSocketConnection;
import dev.llmworker.serving.delivery.Caller;
import dev.llmworker.serving.delivery.Generations;
import dev.llmworker.serving.memory.MemoryBudget;
import dev.llmworker.serving.request.ServedModel;
import java.time.Duration;
import java.time.InstantSource;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import org.apache.camel.Exchange;
import org.apache.camel.Processor;
import org.apache.camel.component.vertx.websocket.VertxWebsocketConstants;
import org.apache.camel.component.vertx.websocket.VertxWebsocketEvent;

/// The bean `responsesWebsocket`: OpenAI's API of responses by WebSocket. The body is the text of a message.
public final class ResponsesSocketProcessor implements Processor {
    private final Serving serving;
    private final Map<WebSocketConnection, ResponseSession> sessions = new ConcurrentHashMap<>();

    /// What all sessions share.
    ///
    /// @param requests that responses enter until they have ended
    /// @param budget has room for the fields of a message, or the message is rejected
    /// @param timeout how long a request waits for its turn, and messages that steer wait for results of calls
    record Serving(
            Generations generations,
            ServedModel model,
            ResponseStore store,
            InstantSource clock,
            Requests requests,
            MemoryBudget budget,
            Duration timeout) {}

    public ResponsesSocketProcessor(
            Generations generations,
            Generator generator,
            ResponseStore store,
            InstantSource clock,
            Requests requests,
            MemoryBudget budget,
            Duration timeout) {
        serving = new Serving(generations, new ServedModel(generator), store, clock, requests, budget, timeout);
    }

    @Override
    public void process(Exchange exchange) {
        if (!(Client.of(exchange) instanceof WebSocketClient client)) {
            throw new IllegalStateException("the bean responsesWebsocket serves routes from vertx-websocket only");
        }
        var message = exchange.getMessage();
        if (message.getHeader(VertxWebsocketConstants.EVENT) == VertxWebsocketEvent.MESSAGE) {
            session(client.connection())
                    .message(message.getBody(), client, Caller.of(exchange).route());
        }
    }

    /// Called for one message of a connection at a time.
    private ResponseSession session(WebSocketConnection connection) {
        var known = sessions.get(connection);
        if (known != null) {
            return known;
        }
        var session = new ResponseSession(serving, connection);
        sessions.put(connection, session);
        var _ = connection.onGone(() -> {
            sessions.remove(connection);
            // The event loop does not wait for the store.
            Thread.ofVirtual().name("responses-end").start(session::close);
        });
        return session;
    }
}
