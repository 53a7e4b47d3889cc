package dev.llmworker.serving.responses;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import dev.llmworker.generation.FinishReason;
import dev.llmworker.generation.Prompt;
import dev.llmworker.testing.Events;
import dev.llmworker.testing.RunningWorker;
import dev.llmworker.testing.ScriptedGenerator;
import dev.llmworker.testing.WorkerExtension;
import dev.llmworker.text.answer.AnswerPart;
import dev.llmworker.text.chat.ChatMessage;
import dev.llmworker.text.tools.ToolCall;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.util.Iterator;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;

/// Responses that are kept: who may see them, and what follows them.
@Timeout(180)
class StoredResponsesTest {
    private static final String RESPONSES = "/v1/responses";
    private static final String ALICE = "key-of-alice-1234567890";
    private static final String BOB = "key-of-bob-1234567890ab";

    private final ScriptedGenerator engine = new ScriptedGenerator();

    @RegisterExtension
    final WorkerExtension worker =
            WorkerExtension.of(engine).with("API_KEYS", ALICE + "," + BOB).with("RESPONSES_STORE", "3");

    private HttpResponse<String> send(String method, String path, String key, String body) throws Exception {
        return sending(method, path, key, body).join();
    }

    private CompletableFuture<HttpResponse<String>> sending(String method, String path, String key, String body)
            throws Exception {
        return RunningWorker.HTTP.sendAsync(
                worker.request(path)
                        .header("X-API-Key", key)
                        .method(
                                method,
                                body.isEmpty()
                                        ? HttpRequest.BodyPublishers.noBody()
                                        : HttpRequest.BodyPublishers.ofString(body.replace('\'', '"')))
                        .build(),
                HttpResponse.BodyHandlers.ofString());
    }

    /// The turns that the engine gets, and the response that the client gets.
    private record Turn(List<ChatMessage> turns, JsonNode response) {
        String id() {
            return response.get("id").asText();
        }
    }

    private Turn say(String key, String body, AnswerPart... parts) throws Exception {
        var answer = sending("POST", RESPONSES, key, body);
        var script = engine.next();
        script.emit(parts).finish(FinishReason.STOP);
        assertEquals(200, answer.join().statusCode(), answer.join().body());
        return new Turn(
                ((Prompt.Chat) script.request.prompt()).messages(),
                Events.json(answer.join().body()));
    }

    private static JsonNode error(HttpResponse<String> answer, int status) throws Exception {
        assertEquals(status, answer.statusCode(), answer.body());
        return Events.json(answer.body()).get("error");
    }

    @Test
    void aConversationGoesOn() throws Exception {
        var first = say(
                ALICE,
                "{'input':'one','instructions':'Be.'}",
                new AnswerPart.Reasoning("hm"),
                new AnswerPart.Content("I call."),
                new AnswerPart.CallStart(0, "c1", "f"),
                new AnswerPart.CallArguments(0, "{}"));
        var second = say(
                ALICE,
                "{'previous_response_id':'" + first.id()
                        + "','input':[{'type':'function_call_output','call_id':'c1','output':'two'}]}",
                new AnswerPart.Content("three"));
        var called = ChatMessage.assistant("I call.", "hm", List.of(new ToolCall("c1", "f", "{}")));
        var turns = List.of(ChatMessage.user("one"), called, ChatMessage.toolResult("c1", "f", "two"));
        assertEquals(turns, second.turns());
        assertEquals(first.id(), second.response().get("previous_response_id").asText());
        // Two may follow the same one, and a later one may follow after the first is deleted.
        assertEquals(
                List.of(ChatMessage.user("one"), called, ChatMessage.user("else")),
                say(ALICE, "{'previous_response_id':'" + first.id() + "','input':'else'}")
                        .turns());
        send("DELETE", RESPONSES + "/" + first.id(), ALICE, "");
        assertEquals(
                List.of(
                        turns.get(0),
                        turns.get(1),
                        turns.get(2),
                        ChatMessage.assistant("three", "", List.of()),
                        ChatMessage.user("four")),
                say(ALICE, "{'previous_response_id':'" + second.id() + "','input':'four'}")
                        .turns());
    }

    @Test
    void itemsAreReferredTo() throws Exception {
        var first = say(
                ALICE,
                "{'input':'one'}",
                new AnswerPart.CallStart(0, "c1", "f"),
                new AnswerPart.CallArguments(0, "{\"x\":2}"));
        var reference = "{'type':'item_reference','id':'"
                + first.response().at("/output/0/id").asText() + "'}";
        var body = "{'input':[" + reference + ",{'type':'function_call_output','call_id':'c1','output':''}]}";
        assertEquals(
                List.of(
                        ChatMessage.assistant("", "", List.of(new ToolCall("c1", "f", "{\"x\":2}"))),
                        ChatMessage.toolResult("c1", "f", "")),
                say(ALICE, body).turns());
        assertTrue(error(send("POST", RESPONSES, BOB, body), 400)
                .get("message")
                .asText()
                .startsWith("input[0].id"));
    }

    /// As a server that numbers the calls of each answer.
    @Test
    void aResultIsOfTheNewestCallWithItsId() throws Exception {
        var result =
                "{'previous_response_id':'%s','input':[{'type':'function_call_output','call_id':'call_0','output':''}]}";
        var first = say(
                ALICE,
                "{'input':'one'}",
                new AnswerPart.CallStart(0, "call_0", "f"),
                new AnswerPart.CallArguments(0, "{}"));
        var second = say(
                ALICE,
                result.formatted(first.id()),
                new AnswerPart.CallStart(0, "call_0", "g"),
                new AnswerPart.CallArguments(0, "{}"));
        var third = say(ALICE, result.formatted(second.id()), new AnswerPart.Content("done"));
        assertEquals(ChatMessage.toolResult("call_0", "f", ""), third.turns().get(2));
        assertEquals(ChatMessage.toolResult("call_0", "g", ""), third.turns().get(4));
    }

    /// Clients may ask for it on many connections, and not read.
    @Test
    void whatIsShownTakesMemoryOfTheBudget() throws Exception {
        var text = "x".repeat(60_000);
        var stored = RESPONSES + "/"
                + say(ALICE, "{'input':'" + text + "'}", new AnswerPart.Content(text))
                        .id();
        var memory = worker.port().memory();
        try (var others = memory.lease()) {
            others.count(others.limitBytes() - 100_000);
            for (var path : List.of(stored, stored + "/input_items")) {
                assertEquals(
                        "out_of_memory_budget",
                        error(send("GET", path, ALICE, ""), 503).get("code").asText(),
                        path);
            }
        }
        for (var path : List.of(stored, stored + "/input_items")) {
            assertEquals(200, send("GET", path, ALICE, "").statusCode(), path);
        }
    }

    @Test
    void aResponseThatRunsIsShownIfThereIsMemory() throws Exception {
        var running = stream(ALICE, ",\"instructions\":\"" + "x".repeat(60_000) + "\"");
        var path = RESPONSES + "/" + running.id;
        var memory = worker.port().memory();
        try (var others = memory.lease()) {
            others.count(others.limitBytes() - 100_000);
            error(send("GET", path, ALICE, ""), 503);
        }
        assertEquals(200, send("GET", path, ALICE, "").statusCode());
        running.script.finish(FinishReason.STOP);
        running.end();
    }

    @Test
    void anotherKeySeesNothing() throws Exception {
        var first = say(ALICE, "{'input':'secret'}", new AnswerPart.Content("answer"));
        var path = RESPONSES + "/" + first.id();
        assertEquals(first.response(), Events.json(send("GET", path, ALICE, "").body()));
        for (var request : List.of(
                List.of("GET", ""),
                List.of("GET", "/input_items"),
                List.of("DELETE", ""),
                List.of("POST", "/cancel"))) {
            var known = send(request.get(0), path + request.get(1), BOB, "");
            var unknown = send(request.get(0), RESPONSES + "/resp_0" + request.get(1), BOB, "");
            assertEquals("response_not_found", error(known, 404).get("code").asText());
            assertEquals(known.body().replace(first.id(), "resp_0"), unknown.body());
        }
        var following = send("POST", RESPONSES, BOB, "{'input':'x','previous_response_id':'" + first.id() + "'}");
        assertEquals(
                "previous_response_not_found", error(following, 400).get("code").asText());
        assertEquals(200, send("GET", path, ALICE, "").statusCode());
    }

    @Test
    void aResponseIsDeleted() throws Exception {
        var path = RESPONSES + "/" + say(ALICE, "{'input':'x'}").id();
        var deleted = Events.json(send("DELETE", path, ALICE, "").body());
        assertTrue(deleted.get("deleted").asBoolean());
        assertEquals("response", deleted.get("object").asText());
        error(send("GET", path, ALICE, ""), 404);
        error(send("DELETE", path, ALICE, ""), 404);
    }

    @Test
    void whatIsNotToBeStoredIsNot() throws Exception {
        var turn = say(ALICE, "{'input':'x','store':false}");
        assertFalse(turn.response().get("store").asBoolean());
        error(send("GET", RESPONSES + "/" + turn.id(), ALICE, ""), 404);
    }

    /// The key that has most gives way.
    @Test
    void theOldestGoesIfTheStoreIsFull() throws Exception {
        var bobs = say(BOB, "{'input':'x'}");
        var oldest = say(ALICE, "{'input':'x'}");
        say(ALICE, "{'input':'x'}");
        var newest = say(ALICE, "{'input':'x'}");
        error(send("GET", RESPONSES + "/" + oldest.id(), ALICE, ""), 404);
        assertEquals(200, send("GET", RESPONSES + "/" + newest.id(), ALICE, "").statusCode());
        assertEquals(200, send("GET", RESPONSES + "/" + bobs.id(), BOB, "").statusCode());
    }

    @Test
    void inputItemsAreListed() throws Exception {
        var id = say(ALICE, "{'input':[{'role':'user','content':'one'},{'role':'user','content':'two','id':'mine'}]}")
                .id();
        var path = RESPONSES + "/" + id + "/input_items";
        var list = Events.json(send("GET", path, ALICE, "").body());
        assertEquals("list", list.get("object").asText());
        assertEquals("mine", list.at("/data/0/id").asText());
        assertEquals("two", list.at("/data/0/content/0/text").asText());
        assertEquals("one", list.at("/data/1/content/0/text").asText());
        assertFalse(list.get("has_more").asBoolean());
        var page =
                Events.json(send("GET", path + "?order=asc&limit=1", ALICE, "").body());
        assertEquals("one", page.at("/data/0/content/0/text").asText());
        assertTrue(page.get("has_more").asBoolean());
        var next = send("GET", path + "?order=asc&after=" + page.get("last_id").asText(), ALICE, "");
        assertEquals("mine", Events.json(next.body()).at("/data/0/id").asText());
        for (var wrong : List.of("limit=0", "limit=x", "order=up", "after=other")) {
            assertTrue(error(send("GET", path + "?" + wrong, ALICE, ""), 400)
                    .get("message")
                    .asText()
                    .startsWith(wrong.substring(0, wrong.indexOf('='))));
        }
        error(send("GET", RESPONSES + "/" + id + "?stream=true", ALICE, ""), 400);
    }

    @Test
    void aRunningResponseIsCancelledByItsKeyAlone() throws Exception {
        var running = stream(ALICE);
        var script = running.script;
        script.lingers = false;
        var path = RESPONSES + "/" + running.id;
        assertEquals(
                "in_progress",
                Events.json(send("GET", path, ALICE, "").body()).get("status").asText());
        error(send("GET", path, BOB, ""), 404);
        error(send("POST", path + "/cancel", BOB, ""), 404);
        assertFalse(script.isClosed());
        assertEquals(
                "cancelled",
                Events.json(send("POST", path + "/cancel", ALICE, "").body())
                        .get("status")
                        .asText());
        assertEquals("cancelled", running.end().get("status").asText());
    }

    /// A key that takes much loses it only to what it sends itself.
    @Test
    void oneKeyTakesNothingFromAnother() throws Exception {
        var large = say(ALICE, "{'input':'" + "x".repeat(10_000) + "'}");
        var oldest = say(BOB, "{'input':'x'}");
        say(BOB, "{'input':'x'}");
        say(BOB, "{'input':'x'}");
        assertEquals(200, send("GET", RESPONSES + "/" + large.id(), ALICE, "").statusCode());
        error(send("GET", RESPONSES + "/" + oldest.id(), BOB, ""), 404);
    }

    /// A stream whose response runs.
    private record Running(ScriptedGenerator.Script script, String id, Iterator<String> lines) {
        /// The response at its end.
        JsonNode end() throws Exception {
            var last = "";
            while (lines.hasNext()) {
                var line = lines.next();
                last = line.startsWith("data: ") ? line : last;
            }
            return Events.json(last.substring("data: ".length())).get("response");
        }
    }

    private Running stream(String key) throws Exception {
        return stream(key, "");
    }

    /// @param more members, each with a comma before it
    private Running stream(String key, String more) throws Exception {
        var stream = RunningWorker.HTTP.send(
                worker.request(RESPONSES)
                        .header("X-API-Key", key)
                        .POST(HttpRequest.BodyPublishers.ofString("{\"input\":\"x\",\"stream\":true" + more + "}"))
                        .build(),
                HttpResponse.BodyHandlers.ofLines());
        var script = engine.next();
        script.lingers = true;
        var lines = stream.body().iterator();
        lines.next();
        var created = Events.json(lines.next().substring("data: ".length()));
        return new Running(script, created.at("/response/id").asText(), lines);
    }

    /// As the engine may end an answer by itself while a client cancels it.
    @Test
    void whatIsCancelledStaysCancelledHoweverItEnds() throws Exception {
        var running = stream(ALICE);
        var path = RESPONSES + "/" + running.id;
        for (var request : List.of(List.of("POST", "/cancel"), List.of("POST", "/cancel"), List.of("GET", ""))) {
            var shown = send(request.get(0), path + request.get(1), ALICE, "");
            assertEquals("cancelled", Events.json(shown.body()).get("status").asText(), shown.body());
        }
        running.script.emit(new AnswerPart.Content("all of it")).finish(FinishReason.STOP);
        assertEquals("cancelled", running.end().get("status").asText());
        error(send("GET", path, ALICE, ""), 404);
    }

    @Test
    void whatIsDeletedBeforeItEndsIsNotKept() throws Exception {
        var running = stream(ALICE);
        var path = RESPONSES + "/" + running.id;
        error(send("DELETE", path, BOB, ""), 404);
        assertTrue(Events.json(send("DELETE", path, ALICE, "").body())
                .get("deleted")
                .asBoolean());
        error(send("GET", path, ALICE, ""), 404);
        error(send("POST", path + "/cancel", ALICE, ""), 404);
        assertFalse(running.script.isClosed());
        running.script.finish(FinishReason.STOP);
        assertEquals("completed", running.end().get("status").asText());
        error(send("GET", path, ALICE, ""), 404);
    }

    /// A call that was cut is no part of the conversation: nobody can send its result.
    @Test
    void aConversationGoesOnAfterACallThatWasCut() throws Exception {
        var answer = sending("POST", RESPONSES, ALICE, "{'input':'one'}");
        engine.next()
                .emit(new AnswerPart.Content("I call."))
                .emit(new AnswerPart.CallStart(0, "c1", "f"), new AnswerPart.CallArguments(0, "{\"x\":"))
                .finish(FinishReason.LENGTH);
        var cut = Events.json(answer.join().body());
        assertEquals("{\"x\":", cut.at("/output/1/arguments").asText());
        assertEquals("incomplete", cut.at("/output/1/status").asText());
        assertEquals(
                List.of(
                        ChatMessage.user("one"),
                        ChatMessage.assistant("I call.", "", List.of()),
                        ChatMessage.user("two")),
                say(ALICE, "{'previous_response_id':'" + cut.get("id").asText() + "','input':'two'}")
                        .turns());
    }
}
