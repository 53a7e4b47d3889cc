package dev.llmworker.serving.beans;

import dev.llmworker.generation.Answer;
import dev.llmworker.generation.FinishReason;
import dev.llmworker.generation.GenerationEvent;
import dev.llmworker.generation.GenerationRequest;
import dev.llmworker.generation.Lease;
import dev.llmworker.serving.connection.Client;
import dev.llmworker.serving.connection.ConnectionPrompts;
import dev.llmworker.serving.connection.ConnectionPrompts.PromptRun;
import dev.llmworker.serving.connection.Departure;
import dev.llmworker.serving.connection.Requests;
import dev.llmworker.serving.connection.WebSocketClient;
import dev.llmworker.serving.connection.WebSocketConnection;
import dev.llmworker.serving.delivery.Caller;
import dev.llmworker.serving.delivery.Generations;
import dev.llmworker.serving.memory.MemoryBudget;
import dev.llmworker.serving.request.WireFormat;
import dev.llmworker.serving.wire.FrameId;
import dev.llmworker.serving.wire.FrameWriter;
import dev.llmworker.serving.wire.JsonError;
import dev.llmworker.serving.wire.ParsedBody;
import dev.llmworker.serving.wire.RequestException;
import dev.llmworker.serving.wire.RequestFields;
import dev.llmworker.serving.wire.RequestLog;
import dev.llmworker.serving.wire.StrictJson;
import java.util.Map;
import java.util.function.Consumer;
import org.apache.camel.Exchange;
import org.apache.camel.Processor;
import org.apache.camel.component.vertx.websocket.VertxWebsocketConstants;
import org.apache.camel.component.vertx.websocket.VertxWebsocketEvent;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// The bean `websocket`: each message of a connection is a prompt, answered by a frame for each token and one that ends
/// them. The body is the frame's text, or a `Map` that a route made of it. What is wrong with a message is said in a
/// frame, and the connection stays open.
///
/// A prompt waits for those before it, and so does what is wrong with it. One with an `id` does not: it runs beside the
/// others, and all its frames have the id. `{"cancel": …}` ends what runs.
///
/// @param requests that prompts enter until they are answered: the exchange of one is done before
/// @param budget has room for the fields of a message, or the message is rejected
record WebSocketProcessor(Generations generations, Requests requests, MemoryBudget budget) implements Processor {
    private static final Logger LOG = LoggerFactory.getLogger(WebSocketProcessor.class);
    private static final String CANCEL = "cancel";

    @Override
    public void process(Exchange exchange) {
        if (!(Client.of(exchange) instanceof WebSocketClient client)) {
            throw new IllegalStateException("the bean websocket serves routes from vertx-websocket only");
        }
        var connection = client.connection();
        var message = exchange.getMessage();
        if (message.getHeader(VertxWebsocketConstants.EVENT) != VertxWebsocketEvent.MESSAGE) {
            return;
        }
        String id = null;
        // Closed when the request is made of the fields: only its texts stay.
        try (var parsing = budget.lease()) {
            var fields = new RequestFields(fields(message.getBody(), parsing));
            if (isCancel(fields)) {
                cancel(fields, connection);
                return;
            }
            id = FrameId.of(fields);
            var writer = new FrameWriter(fields.flag("details", false), id);
            var request = WireFormat.request(fields.fields()).withRequestId(connection.requestId());
            var caller = Caller.of(exchange);
            var memory = client.memory().handOver();
            var entered = requests.enter(client);
            // If the connection closes while the prompt waits, nobody runs it.
            var watch = client.onGone(() -> {
                memory.close();
                entered.close();
            });
            try {
                take(
                        id,
                        run -> answer(request, new Frames(caller, connection, run, writer, memory, entered, watch)),
                        connection);
            } catch (RuntimeException | Error e) {
                watch.close();
                memory.close();
                entered.close();
                throw e;
            }
        } catch (RequestException e) {
            RequestLog.refused(connection.requestId(), Caller.of(exchange).route(), e.error());
            var error = new FrameWriter(false, id).error(e.error());
            if (id != null || !connection.enqueue(_ -> connection.send(error))) {
                connection.send(error);
            }
        }
    }

    private static Map<?, ?> fields(@Nullable Object body, MemoryBudget.Lease parsing) {
        return switch (body) {
            case String text -> StrictJson.object(text, "the frame", parsing, ParsedBody::isRead);
            case Map<?, ?> fields -> fields;
            case null, default ->
                throw RequestException.invalid("the frame is binary; it must be a JSON object sent as text");
        };
    }

    private static boolean isCancel(RequestFields fields) {
        return fields.has(CANCEL) && !Boolean.FALSE.equals(fields.fields().get(CANCEL));
    }

    private static void cancel(RequestFields fields, WebSocketConnection connection) {
        if (fields.has("prompt") || fields.has("messages")) {
            throw RequestException.invalid(CANCEL, "cancel and a prompt are in one message; send each in its own");
        }
        var value = fields.fields().get(CANCEL);
        if (value == null || Boolean.TRUE.equals(value)) {
            // Nothing may run any more when it comes: the answer has crossed it, and says all that is to be said.
            connection.prompts().endRunning();
            return;
        }
        var id = FrameId.json(CANCEL, value);
        if (!connection.prompts().end(id)) {
            connection.send(new FrameWriter(false, id)
                    .error(JsonError.of(404, "unknown_id", "no prompt of this id runs on this connection")));
        }
    }

    private static void take(@Nullable String id, Consumer<PromptRun> prompt, WebSocketConnection connection) {
        if (id == null) {
            if (!connection.enqueue(prompt)) {
                throw tooMany(ConnectionPrompts.MAX_WAITING
                        + " prompts wait on this connection already, which is the limit; this one is dropped");
            }
            return;
        }
        switch (connection.start(id, prompt)) {
            case STARTED -> {}
            case ID_IN_USE ->
                throw new RequestException(JsonError.of(
                        409, "duplicate_id", "a prompt of this id runs on this connection already; choose another id"));
            case TOO_MANY ->
                throw tooMany(
                        ConnectionPrompts.MAX_WITH_ID
                                + " prompts with an id run on this connection already, which is the limit; this one is dropped");
        }
    }

    private static RequestException tooMany(String message) {
        return new RequestException(JsonError.of(503, "too_many_prompts", message));
    }

    private void answer(GenerationRequest request, Frames frames) {
        try (frames.memory;
                frames.entered;
                frames.watch) {
            run(request, frames);
        }
    }

    private void run(GenerationRequest request, Frames frames) {
        var connection = frames.connection;
        if (connection.isClosed()) {
            return;
        }
        String end;
        try {
            var ending = generations.run(request, frames.caller, frames);
            end = ending.finished().reason() == FinishReason.ERROR
                    ? frames.writer.error(JsonError.failed(ending.finished()))
                    : frames.writer.done(ending);
        } catch (RuntimeException e) {
            var error = JsonError.of(e);
            if (error == null) {
                LOG.error("failed on a WebSocket request={}", connection.requestId(), e);
                error = JsonError.internal();
            }
            if (!frames.accepted) {
                RequestLog.refused(connection.requestId(), frames.caller.route(), error);
            }
            end = frames.writer.error(error);
        }
        frames.run.release();
        connection.send(end);
    }

    /// Writes one answer.
    private static final class Frames implements Generations.Reader {
        final Caller caller;
        final WebSocketConnection connection;
        final PromptRun run;
        final FrameWriter writer;
        final MemoryBudget.Lease memory;
        final Lease entered;
        final Departure.Watch watch;
        boolean accepted;

        /// @param memory of the prompt
        /// @param entered its place among the requests under way
        /// @param watch gives both back if the client disconnects
        Frames(
                Caller caller,
                WebSocketConnection connection,
                PromptRun run,
                FrameWriter writer,
                MemoryBudget.Lease memory,
                Lease entered,
                Departure.Watch watch) {
            this.caller = caller;
            this.connection = connection;
            this.run = run;
            this.writer = writer;
            this.memory = memory;
            this.entered = entered;
            this.watch = watch;
        }

        @Override
        public void began(Answer<?> answer) {
            run.began(answer);
        }

        @Override
        public void accepted() {
            accepted = true;
        }

        @Override
        public boolean token(GenerationEvent.Token token) {
            return connection.send(writer.frame(token));
        }
    }
}
