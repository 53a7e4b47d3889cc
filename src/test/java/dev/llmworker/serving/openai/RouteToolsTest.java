package dev.llmworker.serving.openai;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import dev.llmworker.generation.AnswerParts;
import dev.llmworker.generation.FinishReason;
import dev.llmworker.generation.Prompt;
import dev.llmworker.testing.Events;
import dev.llmworker.testing.RouteFolder;
import dev.llmworker.testing.RunningWorker;
import dev.llmworker.testing.ScriptedGenerator;
import dev.llmworker.text.answer.AnswerPart;
import dev.llmworker.text.tools.Tool;
import dev.llmworker.text.tools.ToolChoice;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// Tools of the type `route` in `/v1/chat/completions`.
@Timeout(180)
class RouteToolsTest {
    private static final String ORDERS = "{'type':'route','tags':['orders']}";
    private static final String MINE = "{'type':'function','function':{'name':'mine'}}";

    @TempDir
    Path folder;

    private final ScriptedGenerator engine = new ScriptedGenerator();
    private RunningWorker worker;

    @BeforeEach
    void start() throws Exception {
        var routes = RouteFolder.in(folder)
                .route(
                        "lookup",
                        "'llm-tool:lookup?tags=orders,all&parameter.id=string'",
                        "setBody: {simple: 'it is ${header.id}'}")
                .route("secret", "'llm-tool:secret?tags=secret'", "setBody: {constant: secret}")
                .route("refund", "'llm-tool:refund?tags=refunds'", "setBody: {constant: paid}")
                .route("untagged", "llm-tool:untagged", "setBody: {constant: untagged}")
                .path();
        worker =
                new RunningWorker(engine, Map.of("ROUTES", routes.toString(), "ROUTE_TOOLS", "orders, other, refunds"));
    }

    @AfterEach
    void stop() {
        worker.close();
    }

    private CompletableFuture<HttpResponse<String>> post(String more) {
        var body = "{'messages':[{'role':'user','content':'hi'}]," + more + "}";
        return RunningWorker.HTTP.sendAsync(
                worker.request("/v1/chat/completions")
                        .POST(BodyPublishers.ofString(body.replace('\'', '"')))
                        .build(),
                BodyHandlers.ofString());
    }

    private static AnswerParts parts(ScriptedGenerator.Script script) {
        return Objects.requireNonNull(script.request.parts());
    }

    private static ScriptedGenerator.Script call(ScriptedGenerator.Script script, int index, String name) {
        return script.emit(
                new AnswerPart.CallStart(index, "c" + index, name),
                new AnswerPart.CallArguments(index, "{\"id\":"),
                new AnswerPart.CallArguments(index, "\"7\"}"));
    }

    private static String lastContent(ScriptedGenerator.Script script) {
        return ((Prompt.Chat) script.request.prompt()).messages().getLast().content();
    }

    private static JsonNode json(CompletableFuture<HttpResponse<String>> answer) throws Exception {
        assertEquals(200, answer.join().statusCode(), answer.join().body());
        return Events.json(answer.join().body());
    }

    @Test
    void theWorkerRunsTheCallsAndCountsAllRounds() throws Exception {
        var answer = post("'tool_choice':'required','tools':[" + ORDERS + "," + MINE + "]");
        var first = engine.next();
        assertEquals(
                List.of("lookup", "mine"),
                parts(first).tools().tools().stream().map(Tool::name).toList());
        assertEquals(ToolChoice.REQUIRED, parts(first).tools().choice());
        first.emit(new AnswerPart.Content("Wait."));
        call(first, 0, "lookup").finish(FinishReason.TOOL_CALLS);
        var second = engine.next();
        assertEquals("it is 7", lastContent(second));
        assertEquals(ToolChoice.AUTO, parts(second).tools().choice(), "a call was required, and was made");
        second.emit(new AnswerPart.Content("It is 7.")).finish(FinishReason.STOP);
        var choice = json(answer).at("/choices/0");
        assertEquals("It is 7.", choice.at("/message/content").asText());
        assertTrue(choice.at("/message/tool_calls").isMissingNode());
        assertEquals("stop", choice.at("/finish_reason").asText());
        assertEquals(6, json(answer).at("/usage/prompt_tokens").asInt());
        assertEquals(3, json(answer).at("/usage/completion_tokens").asInt());
    }

    @Test
    void aCallOfAToolOfTheClientEndsTheLoop() throws Exception {
        var answer = post("'tools':[" + ORDERS + "," + MINE + "]");
        var first = engine.next();
        call(first, 0, "lookup");
        call(first, 1, "mine").finish(FinishReason.TOOL_CALLS);
        var choice = json(answer).at("/choices/0");
        assertEquals(1, choice.at("/message/tool_calls").size());
        assertEquals("mine", choice.at("/message/tool_calls/0/function/name").asText());
        assertEquals(
                "{\"id\":\"7\"}",
                choice.at("/message/tool_calls/0/function/arguments").asText());
        assertEquals("tool_calls", choice.at("/finish_reason").asText());
        assertTrue(engine.hasNone());
    }

    @Test
    void aStreamHasTheTextsOfAllRoundsAndTheCallsOfTheClientsTools() throws Exception {
        var answer =
                post("'stream':true,'stream_options':{'include_usage':true},'tools':[" + ORDERS + "," + MINE + "]");
        var first = engine.next();
        first.emit(new AnswerPart.Reasoning("Hm."), new AnswerPart.Content("Wait. "));
        call(first, 0, "lookup").finish(FinishReason.TOOL_CALLS);
        var second = engine.next();
        second.emit(new AnswerPart.Content("Now."));
        call(second, 0, "lookup");
        call(second, 1, "mine").finish(FinishReason.TOOL_CALLS);
        assertEquals(200, answer.join().statusCode());
        assertFalse(answer.join().body().contains("lookup"), answer.join().body());
        var text = new StringBuilder();
        var arguments = new StringBuilder();
        var roles = 0;
        var ends = 0;
        var events = answer.join()
                .body()
                .lines()
                .filter(line -> line.startsWith("data: {"))
                .map(line -> line.substring("data: ".length()))
                .toList();
        for (var event : events) {
            var choice = Events.json(event).at("/choices/0");
            text.append(choice.at("/delta/reasoning_content").asText());
            text.append(choice.at("/delta/content").asText());
            roles += choice.at("/delta/role").isMissingNode() ? 0 : 1;
            ends += choice.path("finish_reason").isTextual() ? 1 : 0;
            for (var call : choice.at("/delta/tool_calls")) {
                assertEquals(0, call.path("index").asInt());
                arguments.append(call.at("/function/arguments").asText());
            }
        }
        assertEquals("Hm.Wait. Now.", text.toString());
        assertEquals("{\"id\":\"7\"}", arguments.toString());
        assertEquals(1, roles);
        assertEquals(1, ends);
        assertTrue(
                answer.join().body().contains("\"prompt_tokens\":6"),
                answer.join().body());
        assertTrue(answer.join().body().endsWith("data: [DONE]\n\n"));
    }

    private void refused(String more, String message) {
        var answer = post(more).join();
        assertEquals(400, answer.statusCode(), answer.body());
        assertTrue(answer.body().contains(message.replace("\"", "\\\"")), answer.body());
        assertTrue(engine.hasNone());
    }

    @Test
    void aTagThatIsNotAllowedIsRefusedByItsName() {
        refused(
                "'tools':[{'type':'route','tags':['orders','secret']}]",
                "tools[0].tags has \"secret\", which is not among the tags that ROUTE_TOOLS allows");
        // The tags of a tool that is allowed are not allowed themselves.
        refused("'tools':[{'type':'route','tags':['all']}]", "tools[0].tags has \"all\"");
        refused("'tools':[{'type':'route','tags':['other']}]", "no route is a tool with such a tag");
        refused("'tools':[{'type':'route','tags':[]}]", "tools[0].tags");
        refused("'tools':[{'type':'route'}]", "tools[0].tags");
        refused("'tools':[{'type':'route','tags':'orders'}]", "tools[0].tags");
        refused("'n':2,'tools':[" + ORDERS + "]", "n must be 1");
        refused(
                "'tools':[{'type':'function','function':{'name':'lookup'}}," + ORDERS + "]",
                "which is the name of another tool, too");
    }

    @Test
    void theModelCannotCallARouteThatTheClientMayNotName() throws Exception {
        var answer = post("'tools':[" + ORDERS + "]");
        var first = engine.next();
        call(first, 0, "secret");
        call(first, 1, "untagged").finish(FinishReason.TOOL_CALLS);
        var second = engine.next();
        assertEquals("Error: there is no tool untagged.", lastContent(second));
        second.finish(FinishReason.STOP);
        assertFalse(answer.join().body().contains("secret"));
    }

    /// Nothing holds another server to the names that it was told.
    @Test
    void theModelCannotCallARouteThatThisClientDidNotName() throws Exception {
        for (var unnamed : List.of(
                "'tools':[" + ORDERS + "]", "'tool_choice':'none','tools':[{'type':'route','tags':['refunds']}]")) {
            var answer = post(unnamed);
            call(engine.next(), 0, "refund").finish(FinishReason.TOOL_CALLS);
            var second = engine.next();
            assertEquals("Error: there is no tool refund.", lastContent(second));
            second.finish(FinishReason.STOP);
            assertEquals(200, answer.join().statusCode());
        }
        var answer = post("'tools':[{'type':'route','tags':['refunds']}," + ORDERS + "]");
        call(engine.next(), 0, "refund").finish(FinishReason.TOOL_CALLS);
        var second = engine.next();
        assertEquals("paid", lastContent(second));
        second.finish(FinishReason.STOP);
        assertEquals(200, answer.join().statusCode());
    }

    @Test
    void withoutRoundsLeftTheClientGetsAnError() throws Exception {
        var answer = post("'tools':[" + ORDERS + "]");
        for (var round = 0; round < 9; round++) {
            call(engine.next(), 0, "lookup").finish(FinishReason.TOOL_CALLS);
        }
        assertEquals(502, answer.join().statusCode());
        assertTrue(
                answer.join().body().contains("after 8 rounds"), answer.join().body());
    }
}
