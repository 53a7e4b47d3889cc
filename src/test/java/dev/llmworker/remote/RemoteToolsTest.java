package dev.llmworker.remote;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import dev.llmworker.testing.Await;
import dev.llmworker.testing.ChatEvents;
import dev.llmworker.testing.Events;
import dev.llmworker.testing.LogLines;
import dev.llmworker.testing.RemoteWorker;
import dev.llmworker.testing.RouteFolder;
import dev.llmworker.testing.ScriptedServer;
import java.net.http.HttpResponse;
import java.nio.file.Path;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.LinkedBlockingQueue;
import org.apache.camel.Processor;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// Tools that are routes, with a model that runs elsewhere: the worker sends the tools, and runs the calls.
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
@Timeout(180)
class RemoteToolsTest {
    private static final String LOOKUP =
            "'llm-tool:lookup?tags=orders&description=Finds it.&parameter.id=integer&parameter.id.required=true'";
    private static final String TO_TEXT = "convertBodyTo: {type: String}";
    private static final String ORDERS = "{'type':'route','tags':['orders']}";
    private static final String MINE = "{'type':'function','function':{'name':'mine','strict':true}}";

    private final LinkedBlockingQueue<ScriptedServer.Script> answers = new LinkedBlockingQueue<>();
    private final CountDownLatch never = new CountDownLatch(1);
    private ScriptedServer server;
    private RemoteWorker remote;

    @BeforeAll
    void start(@TempDir Path folder) throws Exception {
        server = new ScriptedServer();
        server.owner = "vllm";
        server.answers((request, wire) -> answers.take().answer(request, wire));
        var routes = RouteFolder.in(folder);
        remote = new RemoteWorker(Map.of("ROUTES", routes.path().toString(), "ROUTE_TOOLS", "orders"), server);
        remote.worker.bind("hang", (Processor) _ -> never.await());
        routes.route("lookup", LOOKUP, "setBody: {simple: 'order ${header.id}'}")
                .route("hang", "'llm-tool:hang?tags=slow'", "process: {ref: hang}")
                .route("step", "platform-http:/step", TO_TEXT, "to: 'llm:generate?tools=orders'")
                .route("slow", "platform-http:/slow", TO_TEXT, "to: 'llm:generate?tools=slow&timeout=300ms'")
                .route("regex", "platform-http:/regex", TO_TEXT, "to: 'llm:generate?regex=[ab]'");
        remote.worker.routeFiles().reload();
        remote.awaitReady();
    }

    @AfterEach
    void assertIdle() {
        remote.assertIdle();
        server.requests.clear();
        answers.clear();
    }

    @AfterAll
    void stop() throws Exception {
        remote.close();
        server.close();
    }

    /// An event of a chat with a delta, in which quotes are single ones.
    private static String delta(String delta) {
        return ChatEvents.of("{\"index\":0,\"delta\":" + delta.replace('\'', '"') + ",\"finish_reason\":null}");
    }

    private static String call(int index, String id, String name, String arguments) {
        return "{'index':" + index + ",'id':'" + id + "','type':'function','function':{'name':'" + name
                + "','arguments':'" + arguments.replace("'", "\\'") + "'}}";
    }

    private static String calls(String... calls) {
        return "{'tool_calls':[" + String.join(",", calls) + "]}";
    }

    private void answer(String reason, int prompt, int completion, String... deltas) {
        answers.add((_, wire) -> {
            wire.stream();
            for (var delta : deltas) {
                wire.event(delta(delta));
            }
            wire.end(reason, prompt, completion);
        });
    }

    private HttpResponse<String> chat(String more) throws Exception {
        var body = "{'messages':[{'role':'user','content':'hi'}]," + more + "}";
        return remote.worker.post("/v1/chat/completions", body.replace('\'', '"'));
    }

    private static JsonNode json(HttpResponse<String> answer) throws Exception {
        assertEquals(200, answer.statusCode(), answer.body());
        return Events.json(answer.body());
    }

    @Test
    void theServerGetsTheToolsAndTheirResults() throws Exception {
        answer(
                "tool_calls",
                5,
                7,
                "{'role':'assistant','content':null,'reasoning_content':'Hm.'}",
                "{'content':'Wait.'}",
                "{'tool_calls':[{'index':0,'id':'a','type':'function','function':{'name':'lookup','arguments':''}}]}",
                "{'tool_calls':[{'index':0,'function':{'arguments':'{\\'id\\''}}]}",
                "{'tool_calls':[{'index':0,'function':{'arguments':':7}'}}]}",
                calls(call(1, "b", "lookup", "{'id':8}")));
        answer("stop", 11, 3, "{'content':'It is '}", "{'content':'there.'}");
        var before = remote.worker.stats.requests();
        var body = json(chat("'tool_choice':'required','parallel_tool_calls':true,'tools':[" + ORDERS + "," + MINE
                + "],'max_tokens':9,'temperature':0"));
        assertEquals("It is there.", body.at("/choices/0/message/content").asText());
        assertEquals("stop", body.at("/choices/0/finish_reason").asText());
        assertTrue(body.at("/choices/0/message/tool_calls").isMissingNode());
        assertEquals(16, body.at("/usage/prompt_tokens").asInt());
        assertEquals(10, body.at("/usage/completion_tokens").asInt());
        var first = server.next().body();
        assertEquals(
                Events.json("{\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}],\"max_tokens\":9,\"tools\":["
                        + "{\"type\":\"function\",\"function\":{\"name\":\"lookup\",\"description\":\"Finds it.\","
                        + "\"parameters\":{\"type\":\"object\",\"properties\":{\"id\":{\"type\":\"integer\"}},"
                        + "\"required\":[\"id\"],\"additionalProperties\":false}}},"
                        + "{\"type\":\"function\",\"function\":{\"name\":\"mine\",\"parameters\":{\"type\":\"object\","
                        + "\"properties\":{}},\"strict\":true}}],\"tool_choice\":\"required\",\"temperature\":0.0,"
                        + "\"stream\":true,\"stream_options\":{\"include_usage\":true},\"model\":\"served-model\"}"),
                first);
        var second = server.next().body();
        assertEquals("auto", second.get("tool_choice").asText(), "a call was required, and was made");
        assertEquals(
                Events.json("[{\"role\":\"user\",\"content\":\"hi\"},{\"role\":\"assistant\",\"content\":\"Wait.\","
                        + "\"reasoning_content\":\"Hm.\",\"tool_calls\":["
                        + "{\"id\":\"a\",\"type\":\"function\",\"function\":{\"name\":\"lookup\","
                        + "\"arguments\":\"{\\\"id\\\":7}\"}},"
                        + "{\"id\":\"b\",\"type\":\"function\",\"function\":{\"name\":\"lookup\","
                        + "\"arguments\":\"{\\\"id\\\":8}\"}}]},"
                        + "{\"role\":\"tool\",\"content\":\"order 7\",\"tool_call_id\":\"a\",\"name\":\"lookup\"},"
                        + "{\"role\":\"tool\",\"content\":\"order 8\",\"tool_call_id\":\"b\",\"name\":\"lookup\"}]"),
                second.get("messages"));
        assertEquals(first.get("tools"), second.get("tools"));
        assertEquals(before + 1, remote.worker.stats.requests(), "one request, two answers");
    }

    @Test
    void aStepOfARouteLetsTheServersModelCallRoutes() throws Exception {
        try (var log = new LogLines("dev.llmworker.Requests")) {
            // The server says `stop` though the answer calls a tool, and has the message as a whole.
            answers.add((_, wire) -> wire.stream()
                    .event(ChatEvents.of(("{'index':0,'message':{'role':'assistant','content':null,'tool_calls':["
                                    + "{'id':'a','type':'function','function':{'name':'lookup',"
                                    + "'arguments':{'id':7}}}]},'finish_reason':'stop'}")
                            .replace('\'', '"')))
                    .end("stop", 1, 1));
            answer("stop", 1, 1, "{'content':'Done.'}");
            assertEquals("Done.", remote.worker.post("/step", "Where is it?").body());
            assertEquals("auto", server.next().body().get("tool_choice").asText());
            var messages = server.next().body().get("messages");
            assertEquals("order 7", messages.get(2).get("content").asText());
            assertEquals(1, log.with("route=step tool=lookup call=a outcome=ok").size());
        }
    }

    @Test
    void errorsAreToldToTheModelAndNoServerGetsBrokenArguments() throws Exception {
        answer(
                "tool_calls",
                1,
                1,
                calls(
                        call(0, "a", "lookup", "{'id':'x'}"),
                        call(1, "b", "nobody", "{}"),
                        call(2, "c", "lookup", "{'id':"),
                        call(3, "d", "lookup", "")));
        answer("stop", 1, 1, "{'content':'Sorry.'}");
        assertEquals(
                "Sorry.",
                json(chat("'tools':[" + ORDERS + "]"))
                        .at("/choices/0/message/content")
                        .asText());
        server.next();
        var messages = server.next().body().get("messages");
        assertTrue(messages.get(2).get("content").asText().startsWith("Error: the arguments do not match"));
        assertEquals(
                "Error: there is no tool nobody.",
                messages.get(3).get("content").asText());
        assertTrue(messages.get(4).get("content").asText().startsWith("Error: "), messages.toString());
        assertEquals(
                "Error: the argument id is missing.",
                messages.get(5).get("content").asText());
        for (var call : messages.get(1).get("tool_calls")) {
            assertTrue(Events.json(call.at("/function/arguments").asText()).isObject(), call.toString());
        }
    }

    @Test
    void aStreamHasTheTextsOfAllRoundsAndTheCallsOfTheClientsTools() throws Exception {
        answer(
                "tool_calls",
                1,
                1,
                "{'reasoning':'Hm.'}",
                "{'content':'Wait. '}",
                calls(call(0, "a", "lookup", "{'id':7}")));
        answer(
                "tool_calls",
                1,
                1,
                "{'content':'Now.'}",
                calls(call(0, "b", "mine", "{"), call(1, "c", "lookup", "{'id':8}")),
                "{'tool_calls':[{'index':0,'function':{'arguments':'}'}}]}");
        var text = new StringBuilder();
        var arguments = new StringBuilder();
        var last = "";
        for (var event : chat("'stream':true,'tools':[" + ORDERS + "," + MINE + "]")
                .body()
                .lines()
                .filter(line -> line.startsWith("data: {"))
                .map(line -> line.substring("data: ".length()))
                .toList()) {
            assertFalse(event.contains("lookup"), event);
            var choice = Events.json(event).at("/choices/0");
            text.append(choice.at("/delta/reasoning_content").asText());
            text.append(choice.at("/delta/content").asText());
            for (var call : choice.at("/delta/tool_calls")) {
                assertEquals(0, call.path("index").asInt());
                arguments.append(call.at("/function/arguments").asText());
            }
            last = choice.path("finish_reason").asText();
        }
        assertEquals("Hm.Wait. Now.", text.toString());
        assertEquals("{}", arguments.toString());
        assertEquals("tool_calls", last);
    }

    @Test
    void roundsEndAtTheirLimit() throws Exception {
        for (var round = 0; round < 9; round++) {
            answer("tool_calls", 1, 1, calls(call(0, "a" + round, "lookup", "{'id':7}")));
        }
        var answer = chat("'tools':[" + ORDERS + "]");
        assertEquals(502, answer.statusCode(), answer.body());
        assertTrue(answer.body().contains("after 8 rounds"), answer.body());
        assertEquals(9, server.requests.size());
    }

    @Test
    void aCallThatIsCutIsNotRun() throws Exception {
        answer("length", 1, 1, calls(call(0, "a", "lookup", "{'id':7}")));
        var choice = json(chat("'tools':[" + ORDERS + "]")).at("/choices/0");
        assertEquals("length", choice.at("/finish_reason").asText());
        assertEquals(1, server.requests.size());
    }

    @Test
    void theServersFailureInALaterRoundIsTheRequests() throws Exception {
        answer("tool_calls", 1, 1, calls(call(0, "a", "lookup", "{'id':7}")));
        answers.add((_, wire) -> wire.json(400, "{\"error\":{\"message\":\"no such template\"}}"));
        var answer = chat("'tools':[" + ORDERS + "]");
        assertEquals(400, answer.statusCode());
        assertTrue(answer.body().contains("no such template"), answer.body());
    }

    @Test
    void theDeadlineIsForTheServerAndTheRoutes() throws Exception {
        answer("tool_calls", 1, 1, calls(call(0, "a", "hang", "{}")));
        assertEquals(504, remote.worker.post("/slow", "x").statusCode());
        answers.add((_, wire) -> wire.stream().delta("a").awaitLeft());
        assertEquals(504, remote.worker.post("/slow", "x").statusCode());
        server.next();
        server.next().awaitLeft();
    }

    @Test
    void onlyOneCallCountsIfTheRequestSaysSo() throws Exception {
        answer("tool_calls", 1, 1, calls(call(0, "a", "mine", "{}"), call(1, "b", "mine", "{}")));
        var choice = json(chat("'parallel_tool_calls':false,'tools':[" + ORDERS + "," + MINE + "]"))
                .at("/choices/0");
        assertEquals(1, choice.at("/message/tool_calls").size());
        assertFalse(server.next().body().get("parallel_tool_calls").asBoolean());
    }

    @Test
    void theChoiceOfAToolAndNoneOfThemReachTheServer() throws Exception {
        answer("stop", 1, 1, calls(call(0, "a", "lookup", "{'id':7}")));
        answer("stop", 1, 1, "{'content':'a'}");
        json(chat("'tool_choice':{'type':'function','function':{'name':'lookup'}},'tools':[" + ORDERS + "]"));
        assertEquals(
                "lookup", server.next().body().at("/tool_choice/function/name").asText());
        assertEquals("auto", server.next().body().get("tool_choice").asText());
        answer("stop", 1, 1, "{'content':'a'}");
        json(chat("'tool_choice':'none','tools':[" + ORDERS + "]"));
        assertFalse(server.next().body().has("tools"));
    }

    @Test
    void aServerThatIgnoresThatACallIsRequiredHasFailed() throws Exception {
        for (var choice : new String[] {"'required'", "{'type':'function','function':{'name':'lookup'}}"}) {
            answer("stop", 1, 1, "{'content':'No.'}");
            var answer = chat("'tool_choice':" + choice + ",'tools':[" + ORDERS + "]");
            assertEquals(502, answer.statusCode(), answer.body());
            assertTrue(answer.body().contains("tool_choice requires a call"), answer.body());
        }
        answer("length", 1, 1, "{'content':'No'}");
        json(chat("'tool_choice':'required','tools':[" + ORDERS + "]"));
    }

    @Test
    void whatTheServerCannotBeAskedForIsRefusedByItsName() throws Exception {
        for (var field : new String[] {"'max_reasoning_tokens':5", "'n':2", "'echo':true"}) {
            var answer = chat(field + ",'tools':[" + ORDERS + "]");
            assertEquals(400, answer.statusCode(), answer.body());
            var name = field.substring(1, field.indexOf('\'', 1));
            assertTrue(answer.body().contains(name), answer.body());
        }
        var text = remote.worker.post(
                "/v1/completions", "{\"prompt\":\"a\",\"tools\":[" + ORDERS.replace('\'', '"') + "]}");
        assertEquals(400, text.statusCode());
        assertTrue(text.body().contains("tools is not supported"), text.body());
        var secret = chat("'tools':[{'type':'route','tags':['secret']}]");
        assertTrue(secret.body().contains("ROUTE_TOOLS"), secret.body());
        assertTrue(server.requests.isEmpty());
    }

    @Test
    void toolsOfTheClientAloneAreRelayedAsBefore() throws Exception {
        answer("tool_calls", 1, 1, calls(call(0, "a", "mine", "{}"), call(1, "b", "mine", "{}")));
        var body = json(chat("'tools':[" + MINE + "],'n':1,'parallel_tool_calls':false,'some_field':1"));
        assertEquals(2, body.at("/choices/0/message/tool_calls").size(), "the server decides");
        assertEquals(1, server.next().body().get("some_field").asInt());
    }

    @Test
    void eachChoiceThatTheServerGivesHasItsCalls() throws Exception {
        answers.add((_, wire) -> {
            wire.stream();
            for (var choice = 0; choice < 2; choice++) {
                wire.event(ChatEvents.of("{\"index\":" + choice + ",\"delta\":"
                        + calls(call(0, "a" + choice, "mine", "{}")).replace('\'', '"') + "}"));
                wire.event(ChatEvents.of("{\"index\":" + choice + ",\"delta\":{},\"finish_reason\":\"tool_calls\"}"));
            }
            wire.event("[DONE]");
            wire.raw("0\r\n\r\n");
        });
        var choices = json(chat("'tools':[" + MINE + "],'n':2")).get("choices");
        assertEquals(2, choices.size());
        assertEquals("a1", choices.get(1).at("/message/tool_calls/0/id").asText());
    }

    /// With one kind of server behind, a format reaches it on each route, in its own words.
    @Test
    void formatsReachTheServerOnEachRoute() throws Exception {
        for (var request : new String[][] {
            {"/generate", "{'prompt':'a','structured_outputs':{'choice':['x','y']}}", "/structured_outputs/choice/1"},
            {"/generate", "{'prompt':'a','raw':true,'guided_regex':'y'}", "/structured_outputs/regex"},
            {"/generate", "{'prompt':'a','stream':true,'guided_choice':['y']}", "/guided_choice/0"},
            {
                "/v1/chat/completions",
                "{'messages':[{'role':'user','content':'a'}],'tools':[" + ORDERS + "],'guided_choice':['y']}",
                "/structured_outputs/choice/0"
            },
            {"/v1/completions", "{'prompt':'a','guided_regex':'y'}", "/guided_regex"}
        }) {
            answer("stop", 1, 1, "{'content':'y'}");
            var answer = remote.worker.post(request[0], request[1].replace('\'', '"'));
            assertEquals(200, answer.statusCode(), answer.body());
            assertEquals("y", server.next().body().at(request[2]).asText(), request[1]);
        }
        answer("stop", 1, 1, "{'content':'a'}");
        assertEquals("a", remote.worker.post("/regex", "x").body());
        assertEquals(
                "[ab]", server.next().body().at("/structured_outputs/regex").asText());
        try (var socket = remote.worker.socket("/ws")) {
            answer("stop", 1, 1, "{'content':'y'}");
            socket.send("{\"prompt\":\"a\",\"guided_choice\":[\"y\"]}");
            assertEquals("y", socket.answer().getFirst().get("token").asText());
            assertEquals("y", server.next().body().at("/guided_choice/0").asText());
        }
    }

    @Test
    void aFormatGoesToTheServerThatKnowsIt() throws Exception {
        try (var plain = new ScriptedServer();
                var other = new ScriptedServer()) {
            other.owner = "llamacpp";
            other.answers((_, wire) -> wire.stream().delta("a").end("stop", 1, 1));
            formatsGoToTheSecond(plain, other);
        }
    }

    private static void formatsGoToTheSecond(ScriptedServer plain, ScriptedServer other) throws Exception {
        try (var both = RemoteWorker.before(plain, other)) {
            Await.until("both are ready", () -> both.generator.readyServers() == 2);
            for (var i = 0; i < 4; i++) {
                var answer = both.worker.post("/generate", "{\"prompt\":\"a\",\"guided_regex\":\"a\"}");
                assertEquals("{\"generated_text\":\"a\"}", answer.body());
                assertTrue(other.next().body().has("grammar"));
            }
            assertTrue(plain.requests.isEmpty());
            both.assertIdle();
        }
    }
}
