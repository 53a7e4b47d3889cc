package dev.llmworker.serving.responses;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNotSame;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import dev.llmworker.generation.FinishReason;
import dev.llmworker.generation.Prompt;
import dev.llmworker.generation.RefusedException;
import dev.llmworker.testing.Await;
import dev.llmworker.testing.Events;
import dev.llmworker.testing.RunningWorker;
import dev.llmworker.testing.ScriptedGenerator;
import dev.llmworker.testing.TestSocket;
import dev.llmworker.testing.WorkerExtension;
import dev.llmworker.text.answer.AnswerPart;
import dev.llmworker.text.chat.ChatMessage;
import dev.llmworker.text.tools.ToolCall;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;

/// The API of responses by WebSocket: what the engine gets, and which messages the client gets.
@Timeout(150)
class ResponsesWebsocketTest {
    private static final String PATH = "/v1/responses";
    private static final String ALICE = "key-of-alice-1234567890";
    private static final String BOB = "key-of-bob-1234567890ab";

    private final ScriptedGenerator engine = new ScriptedGenerator();

    @RegisterExtension
    final WorkerExtension worker =
            WorkerExtension.of(engine).with("API_KEYS", ALICE + "," + BOB).with("MEMORY_BUDGET", "50000000");

    private TestSocket socket(String key) {
        return worker.socket(PATH + "?token=" + key);
    }

    private static void send(TestSocket socket, String json) {
        socket.send(json.replace('\'', '"'));
    }

    /// Asks for a response.
    ///
    /// @param more members, each with a comma before it
    private static void create(TestSocket socket, String input, String more) {
        var store = more.contains("'store'") ? "" : "'store':false,";
        send(socket, "{'type':'response.create'," + store + "'input':'" + input + "'" + more + "}");
    }

    private static String follows(String id) {
        return ",'previous_response_id':'" + id + "'";
    }

    private static String stream(String id) {
        return ",'stream_id':'" + id + "'";
    }

    private static JsonNode next(TestSocket socket) throws Exception {
        return Events.json(socket.next());
    }

    /// The next event, which must be of this type.
    private static JsonNode next(TestSocket socket, String type) throws Exception {
        var event = next(socket);
        assertEquals(type, event.get("type").asText(), event.toString());
        return event;
    }

    /// All events up to one of this type, which is the last.
    private static List<JsonNode> until(TestSocket socket, String type) throws Exception {
        var events = new ArrayList<JsonNode>();
        do {
            events.add(next(socket));
        } while (!events.getLast().get("type").asText().equals(type));
        return events;
    }

    private static JsonNode response(TestSocket socket, String type) throws Exception {
        return until(socket, type).getLast().get("response");
    }

    private static List<ChatMessage> turns(ScriptedGenerator.Script script) {
        return ((Prompt.Chat) script.request.prompt()).messages();
    }

    /// Has a response whose answer is `says`.
    private String said(TestSocket socket, String input, String more, String says) throws Exception {
        create(socket, input, more);
        engine.next().emit(new AnswerPart.Content(says)).finish(FinishReason.STOP);
        return response(socket, "response.completed").get("id").asText();
    }

    private static JsonNode error(TestSocket socket, int status, String code) throws Exception {
        var event = next(socket, "error");
        assertEquals(status, event.get("status").asInt(), event.toString());
        assertEquals(code, event.at("/error/code").asText(), event.toString());
        return event;
    }

    // --- responses

    @Test
    void eventsAreMessages() throws Exception {
        try (var socket = socket(ALICE)) {
            create(socket, "hi", ",'model':'scripted','stream':true");
            engine.next()
                    .emit(new AnswerPart.Content("Hel"))
                    .emit(new AnswerPart.Content("lo"))
                    .finish(FinishReason.STOP);
            var events = until(socket, "response.completed");
            assertEquals("response.created", events.getFirst().get("type").asText());
            var text = new StringBuilder();
            for (var i = 0; i < events.size(); i++) {
                assertEquals(i, events.get(i).get("sequence_number").asInt());
                assertFalse(events.get(i).has("stream_id"));
                text.append(events.get(i).path("delta").asText());
            }
            assertEquals("Hello", text.toString());
            assertEquals(
                    "Hello",
                    events.getLast().at("/response/output/0/content/0/text").asText());
        }
    }

    /// Without any of them being stored.
    @Test
    void aConversationGoesOn() throws Exception {
        try (var socket = socket(ALICE)) {
            var first = said(socket, "one", "", "two");
            create(socket, "three", follows(first));
            var script = engine.next();
            assertEquals(
                    List.of(
                            ChatMessage.user("one"),
                            ChatMessage.assistant("two", "", List.of()),
                            ChatMessage.user("three")),
                    turns(script));
            script.finish(FinishReason.STOP);
            var response = response(socket, "response.completed");
            assertEquals(first, response.get("previous_response_id").asText());
            // Only the newest of a lane is kept, and for this connection alone.
            create(socket, "else", follows(first));
            error(socket, 400, "previous_response_not_found");
            try (var other = socket(ALICE)) {
                create(other, "else", follows(response.get("id").asText()));
                error(other, 400, "previous_response_not_found");
            }
        }
        Await.until("all is given back", () -> worker.port().memory().usedBytes() == 0);
    }

    @Test
    void whatIsStoredIsThereForAllOfItsKey() throws Exception {
        try (var socket = socket(ALICE);
                var bobs = socket(BOB)) {
            var first = said(socket, "one", ",'store':true", "two");
            create(bobs, "three", follows(first));
            error(bobs, 400, "previous_response_not_found");
            send(bobs, "{'type':'response.steer','previous_response_id':'" + first + "','input':'x'}");
            assertEquals(
                    "response_not_found",
                    next(bobs, "response.steer.failed").at("/error/code").asText());
            try (var other = socket(ALICE)) {
                create(other, "three", follows(first));
                engine.next().finish(FinishReason.STOP);
                response(other, "response.completed");
            }
            var shown = RunningWorker.send(worker.request(PATH + "/" + first)
                    .header("X-API-Key", ALICE)
                    .GET());
            assertEquals(first, Events.json(shown.body()).get("id").asText());
        }
    }

    /// A response that is only prepared can be followed like any other.
    @Test
    void aResponseIsPrepared() throws Exception {
        try (var socket = socket(ALICE)) {
            create(
                    socket,
                    "one",
                    ",'generate':false,'tool_choice':'required','tools':[{'type':'function','name':'f'}]"
                            + ",'text':{'format':{'type':'json_object'}},'max_output_tokens':50");
            var script = engine.next();
            assertEquals(1, script.request.maxTokens().orElseThrow());
            assertFalse(script.request.parts() == null
                    || script.request.parts().tools().isRequired());
            script.emit(new AnswerPart.Content("x")).finish(FinishReason.LENGTH);
            var response = response(socket, "response.completed");
            assertEquals("completed", response.get("status").asText());
            assertTrue(response.get("output").isEmpty());
            assertEquals(0, response.at("/usage/output_tokens").asInt());
            create(socket, "two", follows(response.get("id").asText()));
            var next = engine.next();
            assertEquals(List.of(ChatMessage.user("one"), ChatMessage.user("two")), turns(next));
            next.finish(FinishReason.STOP);
        }
    }

    // --- lanes

    @Test
    void lanesRunSideBySideAndEachInItsOrder() throws Exception {
        try (var socket = socket(ALICE)) {
            create(socket, "a1", stream("a"));
            var first = engine.next();
            create(socket, "a2", stream("a"));
            create(socket, "b1", stream("b"));
            var beside = engine.next();
            assertEquals("b1", beside.prompt());
            beside.emit(new AnswerPart.Content("B")).finish(FinishReason.STOP);
            for (var event : until(socket, "response.completed")) {
                var lane = event.get("stream_id").asText();
                assertTrue(
                        lane.equals("b")
                                || Set.of("response.created", "response.in_progress")
                                        .contains(event.get("type").asText()),
                        event.toString());
            }
            assertTrue(engine.hasNone(), "the second of a lane waits");
            first.finish(FinishReason.STOP);
            assertEquals(
                    "a",
                    until(socket, "response.completed")
                            .getLast()
                            .get("stream_id")
                            .asText());
            engine.next().finish(FinishReason.STOP);
            response(socket, "response.completed");
        }
    }

    @Test
    void aConversationForks() throws Exception {
        try (var socket = socket(ALICE)) {
            var first = said(socket, "one", stream("main"), "two");
            create(socket, "critic", follows(first) + stream("critic"));
            var fork = engine.next();
            create(socket, "three", follows(first) + stream("main"));
            var main = engine.next();
            var shared = List.of(ChatMessage.user("one"), ChatMessage.assistant("two", "", List.of()));
            assertEquals(shared, turns(fork).subList(0, 2));
            assertEquals(shared, turns(main).subList(0, 2));
            // Each lane holds a cached prefix of its own.
            assertNotNull(main.request.hold());
            assertNotSame(main.request.hold(), fork.request.hold());
            fork.finish(FinishReason.STOP);
            main.finish(FinishReason.STOP);
            var ends = new HashSet<String>();
            while (ends.size() < 2) {
                ends.add(until(socket, "response.completed")
                        .getLast()
                        .get("stream_id")
                        .asText());
            }
            // Both lanes have newer responses now.
            create(socket, "x", follows(first) + stream("critic"));
            error(socket, 400, "previous_response_not_found");
        }
    }

    /// The client may refer to a response as soon as it has the last event.
    @Test
    void aForkMayComeAtOnce() throws Exception {
        try (var socket = socket(ALICE)) {
            for (var i = 0; i < 30; i++) {
                create(socket, "one", stream("main"));
                engine.next().emit(new AnswerPart.Content("two")).finish(FinishReason.STOP);
                var id = response(socket, "response.completed").get("id").asText();
                create(socket, "critic", follows(id) + stream("critic"));
                response(socket, "response.created");
                engine.next().finish(FinishReason.STOP);
                response(socket, "response.completed");
            }
        }
    }

    @Test
    void aLaneHoldsItsCachedPrefixUntilTheConnectionCloses() throws Exception {
        ScriptedGenerator.Script script;
        try (var socket = socket(ALICE)) {
            var first = said(socket, "one", "", "two");
            create(socket, "two", follows(first));
            script = engine.next();
            var hold = script.request.hold();
            assertNotNull(hold);
            script.finish(FinishReason.STOP);
            var second = response(socket, "response.completed").get("id").asText();
            create(socket, "three", follows(second));
            script = engine.next();
            assertSame(hold, script.request.hold());
            assertFalse(hold.isOver());
        }
        var hold = script.request.hold();
        assertNotNull(hold);
        Await.until("the hold is over", hold::isOver);
    }

    @Test
    void theNumberOfLanesAndOfWhatWaitsIsLimited() throws Exception {
        try (var socket = socket(ALICE)) {
            for (var i = 0; i < 32; i++) {
                said(socket, "x", stream("lane." + i), "y");
            }
            create(socket, "x", stream("one-more"));
            assertEquals(
                    "one-more",
                    error(socket, 400, "websocket_stream_limit_reached")
                            .get("stream_id")
                            .asText());
            create(socket, "runs", "");
            var running = engine.next();
            until(socket, "response.in_progress");
            for (var i = 0; i < 9; i++) {
                create(socket, "waits", "");
            }
            error(socket, 503, "too_many_responses");
            running.finish(FinishReason.STOP);
            for (var i = 0; i < 8; i++) {
                engine.next().finish(FinishReason.STOP);
            }
        }
    }

    @Test
    void sixteenRunAtATime() throws Exception {
        try (var socket = socket(ALICE)) {
            var scripts = new ArrayList<ScriptedGenerator.Script>();
            for (var i = 0; i < 32; i++) {
                create(socket, "x", stream("s" + i));
            }
            for (var i = 0; i < 16; i++) {
                scripts.add(engine.next());
                until(socket, "response.in_progress");
            }
            awaitRead(socket);
            for (var i = 0; i < 16; i++) {
                assertTrue(engine.hasNone());
                scripts.get(i).finish(FinishReason.STOP);
                scripts.add(engine.next());
                until(socket, "response.in_progress");
            }
            scripts.subList(16, 32).forEach(script -> script.finish(FinishReason.STOP));
        }
    }

    /// Waits until all messages before this one have been read.
    private static void awaitRead(TestSocket socket) throws Exception {
        send(socket, "{'type':'session.update'}");
        until(socket, "error");
    }

    /// What it says may take much more memory than its text.
    @Test
    void aMessageThatWaitsForItsLaneHoldsItsTextAlone() throws Exception {
        try (var socket = socket(ALICE)) {
            create(socket, "runs", "");
            var running = engine.next();
            var before = worker.port().memory().usedBytes();
            send(socket, "{'type':'response.create','input':[" + "[],".repeat(199_999) + "[]]}");
            awaitRead(socket);
            var held = worker.port().memory().usedBytes() - before;
            assertTrue(held < 2_500_000, held + " bytes for a text of 600,000");
            running.finish(FinishReason.STOP);
            var error = until(socket, "error").getLast();
            assertEquals("input", error.at("/error/param").asText(), error.toString());
        }
        Await.until("all is given back", () -> worker.port().memory().usedBytes() == 0);
    }

    // --- errors

    @Test
    void wrongMessagesAreAnswered() throws Exception {
        try (var socket = socket(ALICE)) {
            for (var wrong : List.of(
                    List.of("[]", "invalid_json", ""),
                    List.of("{'input':'x'}", "invalid_request", "type"),
                    List.of("{'type':'session.update'}", "invalid_request", "type"),
                    List.of("{'type':'response.create'}", "invalid_request", "input"),
                    List.of(
                            "{'type':'response.create','input':'x','background':true}",
                            "invalid_request",
                            "background"),
                    List.of("{'type':'response.create','input':'x','stream_id':''}", "invalid_stream_id", "stream_id"),
                    List.of("{'type':'response.create','input':'x','stream_id':7}", "invalid_stream_id", "stream_id"),
                    List.of(
                            "{'type':'response.create','input':'x','stream_id':'a b'}",
                            "invalid_stream_id",
                            "stream_id"))) {
                send(socket, wrong.get(0));
                var event = error(socket, 400, wrong.get(1));
                assertEquals("invalid_request_error", event.at("/error/type").asText());
                assertEquals(wrong.get(2), event.at("/error/param").asText(""), event.toString());
            }
            create(socket, "x", ",'model':'gpt'" + stream("a"));
            assertEquals(
                    "a", error(socket, 404, "model_not_found").get("stream_id").asText());
            socket.sendBinary(new byte[] {1});
            error(socket, 400, "invalid_request");
            said(socket, "x", "", "the connection is still open");
        }
    }

    /// One in the same lane takes the response with it that it was to follow.
    @Test
    void aRefusedRequestIsAnError() throws Exception {
        try (var socket = socket(ALICE)) {
            var first = said(socket, "one", stream("main"), "two");
            engine.refusal =
                    new RefusedException(RefusedException.Reason.OVERLOADED, "queue_full", "the queue is full");
            create(socket, "fork", follows(first) + stream("fork"));
            error(socket, 503, "queue_full");
            create(socket, "two", follows(first) + stream("main"));
            assertEquals(
                    "main", error(socket, 503, "queue_full").get("stream_id").asText());
            engine.refusal = null;
            create(socket, "two", follows(first) + stream("main"));
            error(socket, 400, "previous_response_not_found");
        }
    }

    @Test
    void anEngineThatFailsEndsTheResponse() throws Exception {
        try (var socket = socket(ALICE)) {
            create(socket, "x", stream("s"));
            engine.next().emit(new AnswerPart.Content("Hel")).finish(FinishReason.ERROR);
            var last = until(socket, "response.failed").getLast();
            assertEquals("s", last.get("stream_id").asText());
            assertEquals("Hel", last.at("/response/output/0/content/0/text").asText());
        }
    }

    @Test
    void generationsStopIfTheClientDisconnects() throws Exception {
        ScriptedGenerator.Script running;
        try (var socket = socket(ALICE)) {
            create(socket, "x", "");
            running = engine.next();
            create(socket, "waits", "");
        }
        running.awaitClosed();
        Await.until("all is given back", () -> worker.port().memory().usedBytes() == 0);
        assertTrue(engine.hasNone());
    }

    @Test
    void aResponseIsCancelledByHttp() throws Exception {
        try (var socket = socket(ALICE)) {
            create(socket, "x", ",'store':true");
            engine.next();
            var id = next(socket, "response.created").at("/response/id").asText();
            var path = PATH + "/" + id + "/cancel";
            assertEquals(404, cancel(path, BOB).statusCode());
            assertEquals(200, cancel(path, ALICE).statusCode());
            assertEquals(
                    "cancelled",
                    response(socket, "response.incomplete").get("status").asText());
        }
    }

    private HttpResponse<String> cancel(String path, String key) throws Exception {
        return RunningWorker.send(
                worker.request(path).header("X-API-Key", key).POST(HttpRequest.BodyPublishers.noBody()));
    }

    /// The handshake is checked as any other.
    @Test
    void aGetIsNoWebSocket() throws Exception {
        var answer = RunningWorker.send(
                worker.request(PATH).header("X-API-Key", ALICE).GET());
        assertEquals(426, answer.statusCode(), answer.body());
        assertEquals(401, RunningWorker.send(worker.request(PATH).GET()).statusCode());
    }

    // --- steering

    private static void steer(TestSocket socket, String id, String input) {
        send(socket, "{'type':'response.steer','previous_response_id':'" + id + "','input':" + input + "}");
    }

    /// It ends before its next item, and the one that follows has the messages.
    @Test
    void aResponseIsSteered() throws Exception {
        try (var socket = socket(ALICE)) {
            create(socket, "one", stream("s") + ",'instructions':'Be kind.','temperature':0.5,'top_k':7");
            var script = engine.next();
            script.emit(new AnswerPart.Reasoning("hm"));
            var events = until(socket, "response.reasoning_text.delta");
            var id = events.getFirst().at("/response/id").asText();
            steer(socket, id, "'be brief'");
            var accepted = next(socket, "response.steer.accepted");
            assertEquals(
                    events.getLast().get("sequence_number").asInt() + 1,
                    accepted.get("sequence_number").asInt());
            assertEquals("s", accepted.get("stream_id").asText());
            assertTrue(accepted.at("/steer/id").asText().startsWith("steer_"));
            assertEquals(id, accepted.at("/steer/previous_response_id").asText());
            steer(socket, id, "[{'type':'message','role':'user','content':[{'type':'input_text','text':'and kind'}]}]");
            next(socket, "response.steer.accepted");
            script.emit(new AnswerPart.Reasoning("hm")).emit(new AnswerPart.Content("never seen"));
            var ended = response(socket, "response.incomplete");
            assertEquals("steered", ended.at("/incomplete_details/reason").asText());
            assertEquals(1, ended.get("output").size(), ended.toString());
            assertEquals("completed", ended.at("/output/0/status").asText());
            script.awaitClosed();

            var successor = engine.next();
            assertEquals(
                    List.of(
                            new ChatMessage("system", "Be kind."),
                            ChatMessage.user("one"),
                            ChatMessage.assistant("", "hmhm", List.of()),
                            ChatMessage.user("be brief"),
                            ChatMessage.user("and kind")),
                    turns(successor));
            assertEquals(7, successor.request.sampling().topK());
            successor.emit(new AnswerPart.Content("ok")).finish(FinishReason.STOP);
            var completed = response(socket, "response.completed");
            assertEquals(id, completed.get("previous_response_id").asText());
            assertEquals("Be kind.", completed.get("instructions").asText());
            assertEquals("ok", completed.at("/output/0/content/0/text").asText());
            // It is the newest of its lane.
            create(socket, "more", stream("s") + follows(completed.get("id").asText()));
            assertEquals(6, turns(engine.next()).size());
        }
    }

    @Test
    void aResponseThatEndsByItselfIsFollowed() throws Exception {
        try (var socket = socket(ALICE)) {
            create(socket, "one", "");
            var script = engine.next().emit(new AnswerPart.Content("all"));
            var id = next(socket, "response.created").at("/response/id").asText();
            until(socket, "response.output_text.delta");
            steer(socket, id, "'two'");
            next(socket, "response.steer.accepted");
            script.finish(FinishReason.STOP);
            assertEquals(
                    "completed",
                    response(socket, "response.completed").get("status").asText());
            var successor = engine.next();
            assertEquals("two", successor.prompt());
            successor.finish(FinishReason.STOP);
            response(socket, "response.completed");
            steer(socket, id, "'three'");
            assertEquals(
                    "response_not_found",
                    next(socket, "response.steer.failed").at("/error/code").asText());
        }
    }

    /// Messages wait for the results of calls, and come after them.
    @Test
    void messagesWaitForResultsOfCalls() throws Exception {
        try (var socket = socket(ALICE)) {
            create(socket, "one", ",'tools':[{'type':'function','name':'f'}]");
            var script = engine.next();
            script.emit(new AnswerPart.CallStart(0, "c1", "f"));
            var id = next(socket, "response.created").at("/response/id").asText();
            until(socket, "response.output_item.added");
            steer(socket, id, "'two'");
            var steer = next(socket, "response.steer.accepted").get("steer");
            script.emit(new AnswerPart.CallArguments(0, "{}")).finish(FinishReason.TOOL_CALLS);
            response(socket, "response.completed");
            var pending = next(socket, "response.steer.pending");
            assertEquals(steer, pending.get("steer"));
            assertEquals("waiting_for_required_input", pending.get("reason").asText());
            assertEquals(
                    Events.json("[{\"type\":\"function_call_output\",\"call_id\":\"c1\",\"name\":\"f\"}]"),
                    pending.get("required_input"));
            assertTrue(engine.hasNone());
            send(
                    socket,
                    "{'type':'response.create','store':false,'previous_response_id':'" + id
                            + "','input':[{'type':'function_call_output','call_id':'c1','output':'5'},"
                            + "{'role':'user','content':'three'}]}");
            var next = engine.next();
            assertEquals(
                    List.of(
                            ChatMessage.user("one"),
                            ChatMessage.assistant("", "", List.of(new ToolCall("c1", "f", "{}"))),
                            ChatMessage.toolResult("c1", "f", "5"),
                            ChatMessage.user("two"),
                            ChatMessage.user("three")),
                    turns(next));
            next.finish(FinishReason.STOP);
            response(socket, "response.completed");
        }
        Await.until("all is given back", () -> worker.port().memory().usedBytes() == 0);
    }

    /// Nobody can send its result.
    @Test
    void messagesDoNotWaitForACallThatWasCut() throws Exception {
        try (var socket = socket(ALICE)) {
            create(socket, "one", ",'tools':[{'type':'function','name':'f'}]");
            var script = engine.next();
            script.emit(new AnswerPart.CallStart(0, "c1", "f"), new AnswerPart.CallArguments(0, "{\"x"));
            var id = next(socket, "response.created").at("/response/id").asText();
            until(socket, "response.function_call_arguments.delta");
            steer(socket, id, "'two'");
            next(socket, "response.steer.accepted");
            script.finish(FinishReason.LENGTH);
            response(socket, "response.incomplete");
            assertEquals("two", engine.next().prompt());
        }
    }

    @Test
    void theMessagesThatWaitOnAConnectionAreShortTogether() throws Exception {
        try (var socket = socket(ALICE)) {
            for (var round = 0; round < 2; round++) {
                create(socket, "one", "");
                var script = engine.next().emit(new AnswerPart.Content("all"));
                var id = next(socket, "response.created").at("/response/id").asText();
                until(socket, "response.output_text.delta");
                steer(socket, id, "'" + "x".repeat(600_000) + "'");
                next(socket, "response.steer.accepted");
                steer(socket, id, "'" + "x".repeat(600_000) + "'");
                assertEquals(
                        "too_many_pending_steers",
                        next(socket, "response.steer.failed").at("/error/code").asText());
                script.finish(FinishReason.STOP);
                response(socket, "response.completed");
                engine.next().finish(FinishReason.STOP);
                response(socket, "response.completed");
                awaitEnd();
            }
        }
        Await.until("all is given back", () -> worker.port().memory().usedBytes() == 0);
    }

    /// A response has ended a moment after its last event.
    private void awaitEnd() {
        Await.until("its messages are given back", () -> worker.port().memory().usedBytes() < 5_000_000);
    }

    @Test
    void messagesThatNoResponseGetsGoBack() throws Exception {
        try (var socket = socket(ALICE)) {
            create(socket, "one", stream("s"));
            var script = engine.next().emit(new AnswerPart.Content("all"));
            var id = next(socket, "response.created").at("/response/id").asText();
            until(socket, "response.output_text.delta");
            for (var wrong : List.of(
                    "7",
                    "[]",
                    "''",
                    "[{'role':'system','content':'x'}]",
                    "[{'type':'function_call_output','call_id':'c','output':'x'}]",
                    "[{'role':'user','content':[{'type':'input_image','image_url':'x'}]}]",
                    "'x','stream_id':'s'")) {
                steer(socket, id, wrong);
                var failed = next(socket, "response.steer.failed");
                assertEquals("invalid_input", failed.at("/error/code").asText(), failed.toString());
                assertEquals("invalid_request_error", failed.at("/error/type").asText());
                assertTrue(failed.get("steer").has("input"));
                assertFalse(failed.get("steer").has("id"));
            }
            for (var i = 0; i < 16; i++) {
                steer(socket, id, "'x'");
                next(socket, "response.steer.accepted");
            }
            steer(socket, id, "'x'");
            assertEquals(
                    "too_many_pending_steers",
                    next(socket, "response.steer.failed").at("/error/code").asText());
            engine.refusal =
                    new RefusedException(RefusedException.Reason.OVERLOADED, "queue_full", "the queue is full");
            script.finish(FinishReason.STOP);
            response(socket, "response.completed");
            for (var i = 0; i < 16; i++) {
                var failed = next(socket, "response.steer.failed");
                assertEquals(
                        "successor_creation_failed", failed.at("/error/code").asText());
                assertEquals("x", failed.at("/steer/input").asText());
                assertTrue(failed.at("/steer/id").asText().startsWith("steer_"));
                assertEquals("s", failed.get("stream_id").asText());
            }
            engine.refusal = null;
            // The client goes on from the response itself.
            create(socket, "x", stream("s") + follows(id));
            engine.next().finish(FinishReason.ERROR);
        }
        Await.until("all is given back", () -> worker.port().memory().usedBytes() == 0);
    }
}
