package dev.llmworker.serving.responses;

import dev.llmworker.generation.FinishReason;
import dev.llmworker.generation.Lease;
import dev.llmworker.generation.OpenAiRelay;
import dev.llmworker.serving.connection.WebSocketClient;
import dev.llmworker.serving.connection.WebSocketConnection;
import dev.llmworker.serving.delivery.Caller;
import dev.llmworker.serving.delivery.Generations;
import dev.llmworker.serving.memory.MemoryBudget;
import dev.llmworker.serving.request.ToolFields;
import dev.llmworker.serving.wire.Json;
import dev.llmworker.serving.wire.JsonError;
import dev.llmworker.serving.wire.ParsedBody;
import dev.llmworker.serving.wire.RequestException;
import dev.llmworker.serving.wire.RequestFields;
import dev.llmworker.serving.wire.RequestLog;
import dev.llmworker.serving.wire.StreamEvent;
import dev.llmworker.serving.wire.StrictJson;
import dev.llmworker.stats.Count;
import dev.llmworker.text.chat.ChatMessage;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// The responses of one WebSocket. `response.create` asks for one; its events are messages. Responses with the same
/// `stream_id` run one after the other, others side by side. `response.steer` adds messages to one that runs: it ends
/// before its next item, and the worker itself asks for the one that follows.
///
/// Threading: messages come one at a time; each lane has a thread of its own.
final class ResponseSession {
    private static final Logger LOG = LoggerFactory.getLogger(ResponseSession.class);
    private static final int MAX_STREAMS = 32;
    private static final int MAX_RUNNING = 16;
    private static final int MAX_WAITING = 8;
    private static final int MAX_STEERING_CHARACTERS = 1 << 20;
    private static final long BYTES_PER_CHARACTER = 2;
    private static final String STREAM_ID = "stream_id";
    private static final String TYPE = "type";
    private static final String PREVIOUS = "previous_response_id";
    private static final Set<String> STEERING = Set.of(TYPE, PREVIOUS, ResponseInput.FIELD);
    private static final int MAX_ID_CHARACTERS = 256;

    private final ResponsesSocketProcessor.Serving serving;
    private final WebSocketConnection connection;
    /// The lane without a `stream_id` has an empty one.
    private final Map<String, ResponseLane> lanes = new ConcurrentHashMap<>();

    private final Semaphore running = new Semaphore(MAX_RUNNING);
    private final Semaphore steeringCharacters = new Semaphore(MAX_STEERING_CHARACTERS);

    ResponseSession(ResponsesSocketProcessor.Serving serving, WebSocketConnection connection) {
        this.serving = serving;
        this.connection = connection;
    }

    /// The connection is closed: its conversations end. What runs ends by itself.
    void close() {
        lanes.values().forEach(ResponseLane::close);
    }

    /// A message that waits for its lane, as its text: what it says may take much more memory once it is parsed.
    ///
    /// @param sinceNanos when it came
    /// @param steerings that waited for it
    /// @param held its memory, and its place among the requests under way
    private record Asked(
            String text,
            @Nullable String previousId,
            long sinceNanos,
            List<Steering> steerings,
            WebSocketClient client,
            String route,
            Lease held) {}

    /// @param route that the message entered
    void message(@Nullable Object body, WebSocketClient client, String route) {
        String streamId = null;
        try (var parsing = serving.budget().lease()) {
            if (!(body instanceof String text)) {
                throw RequestException.invalid("the message is binary; it must be a JSON object sent as text");
            }
            var fields = new RequestFields(parsed(text, parsing));
            var type = fields.text(TYPE);
            switch (type) {
                case "response.create" -> {
                    streamId = streamId(fields);
                    var previousId = fields.fields().get(PREVIOUS) instanceof String id ? id : null;
                    create(text, previousId, lane(streamId), client, route);
                }
                case "response.steer" -> steer(fields, client);
                default -> throw RequestFields.wrong(TYPE, type, "response.create or response.steer");
            }
        } catch (RequestException e) {
            refuse(e.error(), streamId, route);
        }
    }

    private static Map<?, ?> parsed(String text, MemoryBudget.Lease memory) {
        return StrictJson.object(text, "the message", memory, ParsedBody::isRead);
    }

    private void refuse(JsonError error, @Nullable String streamId, String route) {
        RequestLog.refused(connection.requestId(), route, error);
        connection.send(ResponseWriter.socketError(error, streamId).data());
    }

    // --- lanes

    private static @Nullable String streamId(RequestFields fields) {
        var sent = fields.fields().get(STREAM_ID);
        if (sent == null) {
            return null;
        }
        if (sent instanceof String id
                && !id.isEmpty()
                && id.length() <= MAX_ID_CHARACTERS
                && id.chars().allMatch(ToolFields::isOfName)) {
            return id;
        }
        throw new RequestException(new JsonError(
                400,
                "invalid_stream_id",
                "stream_id must be 1 to 256 letters of ASCII, digits, underscores, hyphens and periods",
                0,
                STREAM_ID));
    }

    private ResponseLane lane(@Nullable String streamId) {
        var key = streamId == null ? "" : streamId;
        var known = lanes.get(key);
        if (known != null) {
            return known;
        }
        var named = lanes.size() - (lanes.containsKey("") ? 1 : 0);
        if (streamId != null && named >= MAX_STREAMS) {
            throw new RequestException(new JsonError(
                    400,
                    "websocket_stream_limit_reached",
                    "this connection has " + MAX_STREAMS
                            + " stream ids, which is the limit; use one of them again, or another connection",
                    0,
                    STREAM_ID));
        }
        var lane = new ResponseLane(streamId, serving.store(), connection);
        lanes.put(key, lane);
        if (connection.isClosed()) {
            lane.close();
        }
        return lane;
    }

    private void create(
            String text, @Nullable String previousId, ResponseLane lane, WebSocketClient client, String route) {
        var message = client.memory().handOver();
        var entered = serving.requests().enter(client);
        // From now on they do not wait for it any more.
        var steerings = lane.takeQueued(previousId);
        var held = Lease.of(() -> {
            steerings.forEach(Steering::close);
            message.close();
            entered.close();
        });
        var asked = new Asked(text, previousId, System.nanoTime(), steerings, client, route, held);
        try {
            if (!connection.enqueue(lane.tasks, MAX_WAITING, () -> answer(asked, lane))) {
                throw new RequestException(JsonError.of(
                        503,
                        "too_many_responses",
                        MAX_WAITING + " responses wait in this stream already, which is the limit; this one is"
                                + " dropped"));
            }
        } catch (RuntimeException | Error e) {
            giveBack(steerings, lane);
            held.close();
            throw e;
        }
    }

    // --- responses

    private void answer(Asked asked, ResponseLane lane) {
        running.acquireUninterruptibly();
        try (var _ = asked.held) {
            var response = connection.isClosed() ? null : begun(asked, lane);
            while (response != null) {
                response = run(response, lane, asked.route);
            }
        } finally {
            running.release();
        }
    }

    /// @return null if the request is refused
    private @Nullable SteerableResponse begun(Asked asked, ResponseLane lane) {
        var held = serving.generations().hold();
        // The request may have come before the end of the response that it goes on from.
        var queued = Stream.concat(asked.steerings.stream(), lane.takeQueued(asked.previousId).stream())
                .toList();
        try (var unused = Lease.of(() -> {
            held.close();
            queued.forEach(Steering::close);
        })) {
            var response = begin(asked, lane, queued, held);
            // From now on its run closes them.
            unused.keep();
            return response;
        } catch (RuntimeException e) {
            refuse(error(e), lane.streamId, asked.route);
            giveBack(queued, lane);
            giveBack(lane.failed(asked.previousId), lane);
            return null;
        }
    }

    /// The fields are parsed once more. They must not stay while the generation runs.
    private SteerableResponse begin(Asked asked, ResponseLane lane, List<Steering> queued, Generations.Held held) {
        if (System.nanoTime() - asked.sinceNanos > serving.timeout().toNanos()) {
            throw new RequestException(JsonError.of(
                    504,
                    "timeout",
                    "the response has waited for its turn longer than "
                            + Count.of(serving.timeout().toSeconds(), "second")
                            + ", which is the limit; this one is dropped"));
        }
        try (var parsing = serving.budget().lease()) {
            var fields = parsed(asked.text, parsing);
            var modelId = serving.model().id(fields);
            var relays = serving.model().generator() instanceof OpenAiRelay;
            var kept = new Kept(serving.store(), asked.client, queued);
            var request = ResponseRequest.read(fields, ResponseRequest.Transport.WEBSOCKET, relays, kept, held)
                    .withRequestId(connection.requestId())
                    .withHold(lane.prefix);
            return response(request, modelId, asked.client, queued, false, lane, held);
        }
    }

    private SteerableResponse response(
            ResponseRequest request,
            String modelId,
            WebSocketClient client,
            List<Steering> begunBy,
            boolean isSuccessor,
            ResponseLane lane,
            Generations.Held held) {
        var created = serving.clock().instant().getEpochSecond();
        var writer = new ResponseWriter(
                request,
                modelId,
                created,
                held,
                lane.streamId,
                (id, stored, turns) -> lane.ended(client, id, stored, turns));
        return new SteerableResponse(request, writer, client, begunBy, isSuccessor, held);
    }

    /// Runs one response to its end.
    ///
    /// @return the one that follows by itself; null if none does
    private @Nullable SteerableResponse run(SteerableResponse response, ResponseLane lane, String route) {
        var writer = response.writer;
        lane.runs(response);
        try (var _ = response.held;
                var steered = Lease.of(response::dropSteerings)) {
            var last = ended(response, lane, route);
            giveBack(lane.takeLost(), lane);
            var steerings = response.end(last);
            if (!writer.hasEnded()) {
                giveBack(steerings, lane);
                if (!response.isSuccessor && !writer.isCancelled()) {
                    giveBack(writer.isAccepted() ? List.of() : response.begunBy, lane);
                    giveBack(lane.failed(response.request.previousId()), lane);
                }
                return null;
            }
            var calls = writer.calls();
            lane.queue(calls.isEmpty() ? List.of() : steerings);
            var successor = steerings.isEmpty() || !calls.isEmpty() ? null : successor(response, steerings, lane);
            // The lane or the successor has them from now on.
            steered.keep();
            if (!calls.isEmpty()) {
                steerings.forEach(
                        steering -> response.send(List.of(writer.steering("pending", steering.pending(calls)))));
                giveBackLater(writer.id(), steerings, lane);
            }
            return successor;
        } finally {
            lane.runs(null);
            var _ = serving.store().finish(response.client, writer.id(), null, null);
            response.begunBy.forEach(Steering::close);
        }
    }

    /// The last events of a response.
    private Iterable<StreamEvent> ended(SteerableResponse response, ResponseLane lane, String route) {
        var writer = response.writer;
        var reader = new ResponseReader(serving.store(), response.client, writer, response::send);
        JsonError error;
        try {
            var caller = new Caller(response.client, route);
            var ending = serving.generations().run(response.request.generation(), caller, reader);
            if (ending.finished().reason() != FinishReason.ERROR) {
                return writer.finished(ending);
            }
            error = JsonError.failed(ending.finished());
        } catch (RuntimeException e) {
            error = error(e);
        }
        var said = error;
        if (writer.isAccepted()) {
            // It gets its number when it is sent.
            return () -> List.of(writer.failed(said)).iterator();
        }
        RequestLog.refused(connection.requestId(), route, error);
        return response.isSuccessor
                ? () -> response.begunBy.stream()
                        .map(steering -> writer.steering("failed", steering.failed(notCreated(said))))
                        .iterator()
                : List.of(ResponseWriter.socketError(error, lane.streamId));
    }

    private static JsonError notCreated(JsonError error) {
        return JsonError.of(error.status(), "successor_creation_failed", error.message());
    }

    private JsonError error(RuntimeException failure) {
        var error = JsonError.of(failure);
        if (error == null) {
            LOG.error("failed on a WebSocket request={}", connection.requestId(), failure);
            return JsonError.internal();
        }
        return error;
    }

    /// The response that follows one that was steered, with the same settings.
    private @Nullable SteerableResponse successor(
            SteerableResponse before, List<Steering> steerings, ResponseLane lane) {
        var held = serving.generations().hold();
        try (var unused = Lease.of(held::close)) {
            var turns = before.writer.turns();
            held.take(ResponseStore.bytes(turns));
            var items = steerings.stream()
                    .flatMap(steering -> steering.items().stream())
                    .toList();
            var source = new ResponseInput.Source(turns, items, _ -> null, before.request.stores(), held);
            var request = before.request.next(before.writer.id(), ResponseInput.queued(source), held);
            var client = steerings.getLast().client();
            var response = response(request, before.writer.modelId(), client, steerings, true, lane, held);
            unused.keep();
            return response;
        } catch (RuntimeException e) {
            giveBack(steerings, notCreated(error(e)), lane);
            return null;
        }
    }

    // --- steering

    private void steer(RequestFields fields, WebSocketClient client) {
        var id = fields.fields().get(PREVIOUS) instanceof String text ? text : "";
        var input = fields.fields().get(ResponseInput.FIELD);
        var memory = serving.generations().hold();
        var message = client.memory().handOver();
        var entered = serving.requests().enter(client);
        try (var held = Lease.of(() -> {
            memory.close();
            message.close();
            entered.close();
        })) {
            ResponseRequest.onlyMembers("response.steer", fields.fields(), STEERING);
            var items = ResponseInput.steering(fields, memory);
            var target = target(fields.text(PREVIOUS));
            var json = Json.text(input == null ? "" : input);
            memory.take(BYTES_PER_CHARACTER * json.length());
            var place = placeOfSteering(json.length(), held);
            var steering = new Steering(ResponseId.of("steer_"), id, json, items, client, place);
            try (var unused = Lease.of(steering::close)) {
                target.steer(steering);
                unused.keep();
            }
        } catch (RuntimeException e) {
            var members = new LinkedHashMap<String, @Nullable Object>(Steering.failed(null, id, input, error(e)));
            members.put("sequence_number", 0);
            connection.send(StreamEvent.named("response.steer.failed", members).data());
        }
    }

    /// Messages that steer may wait for as long as responses take, so few characters of them may.
    ///
    /// @param held is closed with the place
    private Lease placeOfSteering(int characters, Lease held) {
        if (!steeringCharacters.tryAcquire(characters)) {
            throw new RequestException(JsonError.of(
                    400,
                    "too_many_pending_steers",
                    "the inputs that wait on this connection would have more than " + MAX_STEERING_CHARACTERS
                            + " characters, which is the limit"));
        }
        var owned = held.handOver();
        return Lease.of(() -> {
            steeringCharacters.release(characters);
            owned.close();
        });
    }

    private SteerableResponse target(String id) {
        for (var lane : lanes.values()) {
            var response = lane.running(id);
            if (response != null) {
                return response;
            }
        }
        var isOver = lanes.values().stream().anyMatch(lane -> lane.hasNewest(id));
        throw new RequestException(
                isOver
                        ? JsonError.of(
                                400,
                                "response_already_completed",
                                "the response has ended; send response.create to go on from it")
                        : JsonError.of(
                                400,
                                "response_not_found",
                                "no response \"" + RequestFields.shortened(id) + "\" runs on this connection"));
    }

    /// Messages that wait for the results of calls go back if these do not come in time.
    private void giveBackLater(String responseId, List<Steering> steerings, ResponseLane lane) {
        if (steerings.isEmpty()) {
            return;
        }
        var limit = serving.timeout();
        var error = JsonError.of(
                400,
                "response_not_active",
                "no response has gone on from the one that was steered within "
                        + Count.of(limit.toSeconds(), "second"));
        CompletableFuture.delayedExecutor(limit.toNanos(), TimeUnit.NANOSECONDS, Thread.ofVirtual()::start)
                .execute(() -> giveBack(lane.takeQueued(responseId), error, lane));
    }

    private void giveBack(List<Steering> steerings, ResponseLane lane) {
        giveBack(
                steerings,
                JsonError.of(400, "response_not_active", "no response goes on from the one that was steered"),
                lane);
    }

    /// Messages that no response will have go back to the client.
    private void giveBack(List<Steering> steerings, JsonError error, ResponseLane lane) {
        for (var steering : steerings) {
            var members = new LinkedHashMap<String, @Nullable Object>(steering.failed(error));
            members.put("sequence_number", 0);
            if (lane.streamId != null) {
                members.put(STREAM_ID, lane.streamId);
            }
            connection.send(StreamEvent.named("response.steer.failed", members).data());
            steering.close();
        }
    }

    /// What a request on this connection may refer to.
    private record Kept(ResponseStore store, WebSocketClient client, List<Steering> steerings)
            implements ResponseRequest.Kept {
        @Override
        public @Nullable List<ChatMessage> turns(String id) {
            var found = store.find(client, client.connection(), id);
            return found == null ? null : found.turns();
        }

        @Override
        public List<ResponseStore.Item> queued(String id) {
            return steerings.stream()
                    .flatMap(steering -> steering.items().stream())
                    .toList();
        }

        @Override
        public ResponseStore.@Nullable Item item(String id) {
            return store.item(client, id);
        }

        @Override
        public boolean isOn() {
            return store.isOn();
        }
    }
}
