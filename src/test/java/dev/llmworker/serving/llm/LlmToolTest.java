package dev.llmworker.serving.llm;

import static java.util.Objects.requireNonNull;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.llmworker.generation.FinishReason;
import dev.llmworker.generation.Prompt;
import dev.llmworker.testing.Await;
import dev.llmworker.testing.LogLines;
import dev.llmworker.testing.RouteFolder;
import dev.llmworker.testing.RunningWorker;
import dev.llmworker.testing.ScriptedGenerator;
import dev.llmworker.text.chat.AnswerPart;
import dev.llmworker.text.chat.ChatMessage;
import dev.llmworker.text.chat.Tool;
import dev.llmworker.text.chat.ToolChoice;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicBoolean;
import org.apache.camel.Processor;
import org.apache.camel.ResolveEndpointFailedException;
import org.apache.camel.impl.DefaultCamelContext;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// Routes from `llm-tool:`, and the steps `llm:generate` that let the model call them.
@Timeout(180)
class LlmToolTest {
    private static final String LOOKUP = "'llm-tool:lookupOrder?tags=orders&description=Finds an order."
            + "&parameter.id=integer&parameter.id.required=true&parameter.id.description=Its number."
            + "&parameter.part=string&parameter.part.enum=all,head'";
    private static final String TO_TEXT = "convertBodyTo: {type: String}";
    private static final String STEP = "to: 'llm:generate?tools=orders'";

    @TempDir
    Path folder;

    private final ScriptedGenerator engine = new ScriptedGenerator();

    private RunningWorker worker(String tool, String... steps) throws Exception {
        return RunningWorker.with(
                engine,
                RouteFolder.in(folder)
                        .route("step", "platform-http:/step", steps)
                        .route("lookup", LOOKUP, tool)
                        .path());
    }

    private static CompletableFuture<HttpResponse<String>> post(RunningWorker worker) {
        return RunningWorker.HTTP.sendAsync(
                worker.request("/step")
                        .POST(BodyPublishers.ofString("Where is order 7?"))
                        .build(),
                BodyHandlers.ofString());
    }

    private static void call(ScriptedGenerator.Script script, String name, String... arguments) {
        for (var index = 0; index < arguments.length; index++) {
            script.emit(
                    new AnswerPart.CallStart(index, "call-" + index, name),
                    new AnswerPart.CallArguments(index, arguments[index]));
        }
        script.finish(FinishReason.TOOL_CALLS);
    }

    private static List<ChatMessage> messages(ScriptedGenerator.Script script) {
        return ((Prompt.Chat) script.request.prompt()).messages();
    }

    /// The result that the model gets for its last call.
    private static String result(ScriptedGenerator.Script script) {
        assertEquals("tool", messages(script).getLast().role());
        return messages(script).getLast().content();
    }

    private String resultOf(String tool, String arguments) throws Exception {
        try (var worker = worker(tool, TO_TEXT, STEP)) {
            var answer = post(worker);
            call(engine.next(), "lookupOrder", arguments);
            var second = engine.next();
            second.emit("Done.").finish(FinishReason.STOP);
            assertEquals("Done.", answer.join().body());
            return result(second);
        }
    }

    @Test
    void theModelGetsTheToolsAndTheResultsOfItsCallsInOrder() throws Exception {
        try (var worker = worker(
                "setBody: {simple: 'order ${header.id} ${header.part} ${header.X-Client} ${header.other} ${body}'}",
                TO_TEXT,
                "setHeader: {name: X-Client, constant: c}",
                "setHeader: {name: part, constant: outer}",
                STEP,
                "setBody: {simple: '${body} ${header.CamelLlmCompletionTokens} ${header.X-Client}'}")) {
            var answer = post(worker);
            var first = engine.next();
            var use = requireNonNull(first.request.parts()).tools();
            assertEquals(ToolChoice.AUTO, use.choice());
            assertEquals(
                    List.of(new Tool(
                            "lookupOrder",
                            "Finds an order.",
                            "{\"type\":\"object\",\"properties\":{\"id\":{\"type\":\"integer\",\"description\":\"Its"
                                    + " number.\"},\"part\":{\"type\":\"string\",\"enum\":[\"all\",\"head\"]}},"
                                    + "\"required\":[\"id\"],\"additionalProperties\":false}",
                            false)),
                    use.tools());
            first.emit(new AnswerPart.Reasoning("Hm."), new AnswerPart.Content("Wait."));
            call(first, "lookupOrder", "{\"other\":1,\"part\":\"all\",\"id\":7}", "{\"id\":8}");
            var second = engine.next();
            var messages = messages(second);
            assertEquals(
                    List.of("user", "assistant", "tool", "tool"),
                    messages.stream().map(ChatMessage::role).toList());
            assertEquals("Wait.", messages.get(1).content());
            assertEquals("Hm.", messages.get(1).reasoning());
            assertEquals(2, messages.get(1).toolCalls().size());
            assertEquals(ChatMessage.toolResult("call-0", "lookupOrder", "order 7 all   "), messages.get(2));
            assertEquals(ChatMessage.toolResult("call-1", "lookupOrder", "order 8    "), messages.get(3));
            second.emit("It is ").emit("there.").finish(FinishReason.STOP);
            assertEquals("It is there. 5 c", answer.join().body());
            assertTrue(worker.get("/stats").body().contains("\"total_requests\":1"), "one request, two answers");
        }
    }

    @Test
    void argumentsThatDoNotMatchAreToldToTheModelAndReachNoRoute() throws Exception {
        var never = "setBody: {constant: 'called'}";
        assertEquals("Error: the argument id is missing.", resultOf(never, "{\"part\":\"all\"}"));
        assertTrue(resultOf(never, "{\"id\":\"7\"}").startsWith("Error: the arguments do not match"));
        assertTrue(resultOf(never, "{\"id\":7,\"part\":\"tail\"}").startsWith("Error: the arguments do not match"));
        assertTrue(resultOf(never, "{\"id\":").startsWith("Error: "));
        assertEquals("called", resultOf(never, "{\"id\":7}"));
    }

    @Test
    void theFailureOfARouteIsAShortTextForTheModel() throws Exception {
        assertEquals(
                "Error: the tool failed: no order 7 at",
                resultOf(
                        "throwException: {exceptionType: java.lang.IllegalStateException,"
                                + " message: 'java.io.IOException: no order ${header.id} at http://db.internal/orders'}",
                        "{\"id\":7}"));
        assertEquals("No result", resultOf("log: nothing", "{\"id\":7}"));
    }

    @Test
    void eachCallHasALineInTheLogWithoutItsArguments() throws Exception {
        try (var log = new LogLines("dev.llmworker.Requests")) {
            resultOf("setBody: {constant: ok}", "{\"id\":7654321}");
            resultOf("setBody: {constant: ok}", "{}");
            var lines = log.with("called ");
            assertEquals(2, lines.size());
            assertTrue(
                    lines.getFirst().contains(" route=step tool=lookupOrder call=call-0 outcome=ok total="),
                    lines.getFirst());
            assertTrue(lines.get(1).contains("outcome=invalid"), lines.get(1));
            assertTrue(log.with("7654321").isEmpty());
        }
    }

    @Test
    void aModelThatCallsOnAndOnIsStopped() throws Exception {
        try (var worker =
                worker("setBody: {constant: again}", TO_TEXT, "to: 'llm:generate?tools=orders&maxToolRounds=2'")) {
            var answer = post(worker);
            for (var round = 0; round < 3; round++) {
                call(engine.next(), "lookupOrder", "{\"id\":7}");
            }
            assertEquals(
                    "{\"error\":\"the model still calls tools after 2 rounds of calls\",\"code\":\"invalid_answer\"}",
                    answer.join().body());
            assertEquals(502, answer.join().statusCode());
        }
    }

    /// A slow machine may need more than the first times to come to the route.
    @Test
    void theTimeIsForAllRoundsAndForRoutesToo() throws Exception {
        var never = new CountDownLatch(1);
        var begun = new AtomicBoolean();
        var interrupted = new CountDownLatch(1);
        try (var worker = RunningWorker.with(engine, RouteFolder.in(folder).path())) {
            worker.bind("hang", (Processor) _ -> {
                begun.set(true);
                try {
                    never.await();
                } catch (InterruptedException e) {
                    interrupted.countDown();
                    throw e;
                }
            });
            RouteFolder.in(folder).route("lookup", LOOKUP, "process: {ref: hang}");
            for (var millis = 200; !begun.get(); millis *= 10) {
                var step = "to: 'llm:generate?tools=orders&timeout=" + millis + "ms'";
                RouteFolder.in(folder).route("step", "platform-http:/step", TO_TEXT, step);
                worker.routeFiles().reload();
                var answer = post(worker);
                Await.until("the model is asked, or the time is up", () -> !engine.hasNone() || answer.isDone());
                if (!engine.hasNone()) {
                    call(engine.next(), "lookupOrder", "{\"id\":7}");
                }
                assertEquals(504, answer.join().statusCode());
            }
            interrupted.await();
            assertTrue(engine.hasNone());
        }
    }

    @Test
    void aToolIsThereFromTheStartOfItsRouteToItsEndAndTheNewestVersionServes() throws Exception {
        try (var worker = worker("setBody: {constant: old}", TO_TEXT, STEP)) {
            var answer = post(worker);
            var first = engine.next();
            RouteFolder.in(folder).route("lookup", LOOKUP, "setBody: {constant: new}");
            worker.routeFiles().reload();
            call(first, "lookupOrder", "{\"id\":7}");
            var second = engine.next();
            assertEquals("new", result(second));
            Files.delete(folder.resolve("lookup.camel.yaml"));
            worker.routeFiles().reload();
            // A route that is gone ends on a thread of its own.
            var tools = worker.context()
                    .getComponent("llm-tool", LlmToolComponent.class)
                    .tools();
            Await.until("the tool is gone", () -> tools.isEmpty());
            call(second, "lookupOrder", "{\"id\":7}");
            var third = engine.next();
            assertEquals("Error: there is no tool lookupOrder.", result(third));
            third.emit("Sorry.").finish(FinishReason.STOP);
            assertEquals("Sorry.", answer.join().body());
            assertEquals(500, post(worker).join().statusCode());
            assertTrue(engine.hasNone());
        }
    }

    @Test
    void aVersionThatCannotStartLeavesTheOldToolInPlace() throws Exception {
        try (var worker = worker("setBody: {constant: old}", TO_TEXT, STEP)) {
            RouteFolder.in(folder).route("lookup", LOOKUP, "process: {ref: nobody}");
            worker.routeFiles().reload();
            var answer = post(worker);
            call(engine.next(), "lookupOrder", "{\"id\":7}");
            var second = engine.next();
            assertEquals("old", result(second));
            second.emit("Done.").finish(FinishReason.STOP);
            assertEquals(200, answer.join().statusCode());
        }
    }

    @Test
    void aToolWithoutTagsIsForEachStepAndOneOfOtherTagsIsNot() throws Exception {
        RouteFolder.in(folder)
                .route("any", "llm-tool:any", "setBody: {constant: any}")
                .route("mail", "'llm-tool:mail?tags=mail,post'", "setBody: {constant: sent}");
        try (var worker = worker("setBody: {constant: x}", TO_TEXT, STEP)) {
            var answer = post(worker);
            var first = engine.next();
            assertEquals(
                    List.of("any", "lookupOrder"),
                    requireNonNull(first.request.parts()).tools().tools().stream()
                            .map(Tool::name)
                            .toList());
            call(first, "mail", "{}");
            var second = engine.next();
            assertEquals("Error: there is no tool mail.", result(second));
            second.emit("Done.").finish(FinishReason.STOP);
            assertEquals(200, answer.join().statusCode());
        }
    }

    @Test
    void whatIsWrongIsReportedWhenTheRouteIsLoaded() throws Exception {
        try (var context = new DefaultCamelContext()) {
            context.addComponent("llm-tool", new LlmToolComponent());
            context.addComponent("llm", new LlmComponent());
            for (var wrong : Map.of(
                            "llm-tool:a?parameter.x=date", "parameter.x is \"date\"; it must be string, integer",
                            "llm-tool:a?parameter.x.requird=true", "parameter.x.requird is not known",
                            "llm-tool:a?parameter.x=string&argSchema={}", "argSchema and parameter.x are both there",
                            "llm-tool:a?argSchema={\"type\":\"array\"}", "it must be object",
                            "llm-tool:a?parameter.CamelHttpUri=string", "CamelHttpUri has a name that Camel uses",
                            "llm-tool:a?parameter.operationName=string", "operationName has a name that Camel uses",
                            "llm-tool:a?argSchema={\"properties\":{\"Long-Running-Action\":{}}}",
                                    "Long-Running-Action has a name that Camel uses",
                            "llm-tool:a b", "a name has 1 to 128 letters",
                            "llm:generate?tools=a&maxToolRounds=0", "maxToolRounds is 0; it must be from 1 to 100",
                            "llm:generate?tools=a&raw=true", "tools and raw are both there")
                    .entrySet()) {
                var failure =
                        assertThrows(ResolveEndpointFailedException.class, () -> context.getEndpoint(wrong.getKey()));
                var message = String.valueOf(requireNonNull(failure.getCause()).getMessage());
                assertTrue(message.contains(wrong.getValue()), message);
            }
            assertThrows(ResolveEndpointFailedException.class, () -> context.getEndpoint("llm-tool:a?descripton=x"));
        }
    }

    /// A route moves here from `ai-tool` by its scheme.
    @Test
    void typesMayHaveJavasNames() throws Exception {
        var types = Map.of(
                "int", "integer", "Long", "integer", "double", "number", "float", "number", "bool", "boolean", "String",
                "string");
        try (var context = new DefaultCamelContext()) {
            context.addComponent("llm-tool", new LlmToolComponent());
            for (var type : types.entrySet()) {
                var endpoint = (LlmToolEndpoint) context.getEndpoint("llm-tool:a?parameter.x=" + type.getKey());
                assertEquals(
                        "{\"type\":\"object\",\"properties\":{\"x\":{\"type\":\"" + type.getValue()
                                + "\"}},\"additionalProperties\":false}",
                        endpoint.read().tool().parameters());
            }
        }
    }

    @Test
    void aSchemaMayComeFromAFileAndArgumentsMayBeObjects(@TempDir Path files) throws Exception {
        var file = Files.writeString(files.resolve("order.json"), """
                {"type":"object","required":["order"],"properties":{"order":{"type":"object","required":["id"],
                 "properties":{"id":{"type":"integer"}}}}}""");
        RouteFolder.in(folder)
                .route(
                        "save",
                        "'llm-tool:save?tags=orders&argSchema=file:" + file + "'",
                        "setBody: {simple: '${header.order[id]}'}");
        try (var worker = worker("setBody: {constant: x}", TO_TEXT, STEP)) {
            var answer = post(worker);
            call(engine.next(), "save", "{\"order\":{\"id\":5}}", "{\"order\":{}}");
            var second = engine.next();
            assertEquals("5", messages(second).get(2).content());
            assertTrue(result(second).startsWith("Error: "), result(second));
            assertFalse(result(second).contains("5"));
            second.emit("Done.").finish(FinishReason.STOP);
            assertEquals(200, answer.join().statusCode());
        }
    }

    @Test
    void whatARouteSaysOfItsFailureHasNothingOfTheServer() throws Exception {
        for (var said : Map.of(
                        "no /etc/worker/orders.csv here", "no  here",
                        "refused by db/10.0.0.7:5432 today", "refused by  today",
                        "refused by db.internal:5432", "refused by",
                        "refused by localhost:5432", "refused by",
                        "order 7/8 and/or 9 at 12:30 is 1.5 v2.0.1", "order 7/8 and/or 9 at 12:30 is 1.5 v2.0.1")
                .entrySet()) {
            var result = resultOf(
                    "throwException: {exceptionType: java.lang.IllegalStateException, message: '" + said.getKey()
                            + "'}",
                    "{\"id\":7}");
            assertEquals("Error: the tool failed: " + said.getValue(), result);
        }
    }

    @Test
    void anAnswerWithTooManyCallsRunsTheFirstOfThem() throws Exception {
        try (var worker = worker("setBody: {constant: found}", TO_TEXT, STEP)) {
            var answer = post(worker);
            call(
                    engine.next(),
                    "lookupOrder",
                    Collections.nCopies(130, "{\"id\":7}").toArray(String[]::new));
            var second = engine.next();
            var results = messages(second).subList(2, 132);
            assertEquals(
                    128,
                    results.stream().filter(it -> it.content().equals("found")).count());
            assertEquals("Error: not run; the limit is 128 calls at once.", result(second));
            second.emit("Done.").finish(FinishReason.STOP);
            assertEquals("Done.", answer.join().body());
        }
    }

    /// A model may call a route again and again whose results are long.
    @Test
    void theResultsOfCallsCountInTheMemoryOfRequests() throws Exception {
        var routes = RouteFolder.in(folder)
                .route("step", "platform-http:/step", TO_TEXT, STEP)
                .route("lookup", LOOKUP, "setBody: {constant: '" + "x".repeat(100_000) + "'}")
                .path();
        try (var worker =
                new RunningWorker(engine, Map.of("ROUTES", routes.toString(), "MEMORY_BUDGET", "" + (1 << 20)))) {
            var served = post(worker);
            call(engine.next(), "lookupOrder", "{\"id\":7}", "{\"id\":7}");
            var second = engine.next();
            assertTrue(worker.port().memory().usedBytes() >= 2 * 200_000);
            second.emit("Done.").finish(FinishReason.STOP);
            assertEquals("Done.", served.join().body());
            var refused = post(worker);
            call(
                    engine.next(),
                    "lookupOrder",
                    Collections.nCopies(6, "{\"id\":7}").toArray(String[]::new));
            assertEquals(413, refused.join().statusCode(), refused.join().body());
            assertTrue(
                    refused.join().body().contains("MEMORY_BUDGET"),
                    refused.join().body());
            Await.until("nothing is held", () -> worker.port().memory().usedBytes() == 0);
            assertEquals(0, worker.stats.runningGenerations());
        }
    }
}
