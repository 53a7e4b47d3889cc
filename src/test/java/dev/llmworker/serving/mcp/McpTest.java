package dev.llmworker.serving.mcp;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import dev.llmworker.generation.MockGenerator;
import dev.llmworker.testing.Await;
import dev.llmworker.testing.Events;
import dev.llmworker.testing.LogLines;
import dev.llmworker.testing.RouteFolder;
import dev.llmworker.testing.RunningWorker;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import org.apache.camel.Processor;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// `/mcp`: routes that are tools, for other programs.
@Timeout(180)
class McpTest {
    private static final String META = "'_meta':{'io.modelcontextprotocol/protocolVersion':'2026-07-28',"
            + "'io.modelcontextprotocol/clientCapabilities':{}}";

    private static final String MINE = "3f1b0a52-6c1d-4e8f-9a10-2b7c6d5e4f31";

    @TempDir
    Path folder;

    private final Map<String, String> environment = new HashMap<>();
    private final CountDownLatch entered = new CountDownLatch(1);
    private final CountDownLatch interrupted = new CountDownLatch(1);
    private @Nullable RunningWorker running;

    @BeforeEach
    void write() throws Exception {
        RouteFolder.in(folder)
                .route(
                        "lookup",
                        "'llm-tool:findOrder?tags=orders,all&description=Says where an order is.&title=Orders"
                                + "&readOnlyHint=true&parameter.id=integer&parameter.id.required=true"
                                + "&parameter.note=string'",
                        "setBody: {simple: 'order ${header.id} ${header.note} ${header.other} ${header.CamelHttpUri}'}")
                .route(
                        "fails",
                        "'llm-tool:fails?tags=orders'",
                        "throwException: {exceptionType: java.lang.IllegalStateException, message: 'db.internal:5432 is down'}")
                .route("secret", "'llm-tool:secret?tags=secret'", "setBody: {constant: secret}")
                .route("untagged", "llm-tool:untagged", "setBody: {constant: untagged}");
        environment.put("ROUTES", folder.toString());
        environment.put("MCP_TOOLS", "orders, other");
    }

    @AfterEach
    void stop() {
        var worker = running;
        if (worker != null) {
            worker.close();
        }
    }

    private RunningWorker worker() throws Exception {
        var worker = running;
        if (worker == null) {
            worker = new RunningWorker(new MockGenerator(), environment);
            running = worker;
        }
        return worker;
    }

    private CompletableFuture<HttpResponse<String>> send(String body, String... headers) throws Exception {
        var request = worker().request("/mcp");
        request.header("Accept", "application/json, text/event-stream");
        for (var i = 0; i < headers.length; i += 2) {
            request.header(headers[i], headers[i + 1]);
        }
        return RunningWorker.HTTP.sendAsync(
                request.POST(BodyPublishers.ofString(body.replace('\'', '"'))).build(), BodyHandlers.ofString());
    }

    /// A request of an older client.
    private HttpResponse<String> legacy(String method, String params) throws Exception {
        return send("{'jsonrpc':'2.0','id':7,'method':'" + method + "','params':{" + params + "}}")
                .join();
    }

    /// A request that says its version itself.
    private HttpResponse<String> modern(String method, String params, String... more) throws Exception {
        var headers = new ArrayList<>(List.of("MCP-Protocol-Version", "2026-07-28", "Mcp-Method", method));
        headers.addAll(List.of(more));
        var members = params.isEmpty() ? META : META + "," + params;
        return send(
                        "{'jsonrpc':'2.0','id':'seven','method':'" + method + "','params':{" + members + "}}",
                        headers.toArray(String[]::new))
                .join();
    }

    private static JsonNode json(HttpResponse<String> answer) throws Exception {
        assertEquals(
                "application/json", answer.headers().firstValue("Content-Type").orElse(""), answer.body());
        return Events.json(answer.body());
    }

    private static JsonNode result(HttpResponse<String> answer) throws Exception {
        assertEquals(200, answer.statusCode(), answer.body());
        var json = json(answer);
        assertEquals("2.0", json.at("/jsonrpc").asText());
        assertTrue(json.at("/error").isMissingNode(), answer.body());
        return json.at("/result");
    }

    private static void assertError(int status, int code, HttpResponse<String> answer) throws Exception {
        assertEquals(status, answer.statusCode(), answer.body());
        assertEquals(code, json(answer).at("/error/code").asInt(), answer.body());
        assertFalse(json(answer).at("/error/message").asText().isEmpty(), answer.body());
    }

    @Test
    void withoutTheSettingThereIsNoSuchPath() throws Exception {
        environment.remove("MCP_TOOLS");
        for (var answer : List.of(legacy("ping", ""), worker().get("/mcp"))) {
            assertError(404, 404, answer);
            assertEquals(
                    "nothing is served at /mcp",
                    json(answer).at("/error/message").asText());
        }
    }

    @Test
    void anOlderClientBeginsWithInitialize() throws Exception {
        for (var version : List.of("2025-03-26", "2025-06-18", "2025-11-25", "2024-11-05", "2031-01-01")) {
            var answer = legacy(
                    "initialize",
                    "'protocolVersion':'" + version + "','capabilities':{},'clientInfo':{'name':'test','version':'1'}");
            var result = result(answer);
            var isKnown = version.startsWith("2025");
            assertEquals(
                    isKnown ? version : "2025-11-25",
                    result.at("/protocolVersion").asText());
            assertTrue(result.at("/capabilities/tools").isObject());
            assertEquals("camel-llm-worker", result.at("/serverInfo/name").asText());
            assertTrue(result.at("/resultType").isMissingNode(), "older clients see nothing that they do not know");
            assertEquals(7, json(answer).at("/id").asInt());
            assertEquals(
                    36, answer.headers().firstValue("Mcp-Session-Id").orElse("").length());
        }
        var initialized =
                send("{'jsonrpc':'2.0','method':'notifications/initialized'}").join();
        assertEquals(202, initialized.statusCode());
        assertEquals("", initialized.body());
        assertEquals("{}", result(legacy("ping", "")).toString());
    }

    @Test
    void aNewerClientSaysItsVersionInEachRequest() throws Exception {
        var discovered = result(modern("server/discover", ""));
        assertEquals("2026-07-28", discovered.at("/supportedVersions/0").asText());
        assertEquals("complete", discovered.at("/resultType").asText());
        assertEquals(0, discovered.at("/ttlMs").asInt(-1));
        assertEquals("private", discovered.at("/cacheScope").asText());
        var listed = result(modern("tools/list", ""));
        assertEquals("complete", listed.at("/resultType").asText());
        assertEquals(0, listed.at("/ttlMs").asInt(-1));
        assertEquals(
                "camel-llm-worker",
                listed.at("/_meta")
                        .get("io.modelcontextprotocol/serverInfo")
                        .at("/name")
                        .asText());
        var called = result(modern("tools/call", "'name':'findOrder','arguments':{'id':3}", "Mcp-Name", "findOrder"));
        assertEquals("order 3", called.at("/content/0/text").asText().strip());
        assertEquals("complete", called.at("/resultType").asText());
        // The name as the specification has a client encode it.
        var encoded =
                modern("tools/call", "'name':'findOrder','arguments':{'id':3}", "Mcp-Name", "=?base64?ZmluZE9yZGVy?=");
        assertFalse(result(encoded).at("/isError").asBoolean());
    }

    @Test
    void onlyToolsWithATagOfTheSettingAreOffered() throws Exception {
        var tools = result(legacy("tools/list", "")).at("/tools");
        assertEquals(Events.json("""
                        [{"name":"fails","description":"fails","inputSchema":
                           {"type":"object","properties":{},"additionalProperties":false}},
                         {"name":"findOrder","title":"Orders","description":"Says where an order is.","inputSchema":
                           {"type":"object","properties":{"id":{"type":"integer"},"note":{"type":"string"}},
                            "required":["id"],"additionalProperties":false},
                          "annotations":{"title":"Orders","readOnlyHint":true}}]"""), tools);
        for (var hidden : List.of("secret", "untagged", "none")) {
            var answer = legacy("tools/call", "'name':'" + hidden + "','arguments':{}");
            assertError(200, -32602, answer);
            assertEquals(
                    "Unknown tool: " + hidden, json(answer).at("/error/message").asText());
            assertError(
                    400, -32602, modern("tools/call", "'name':'" + hidden + "','arguments':{}", "Mcp-Name", hidden));
        }
    }

    @Test
    void onlyDeclaredArgumentsReachTheRoute() throws Exception {
        var result = result(legacy(
                "tools/call",
                "'name':'findOrder','arguments':{'id':3,'note':'n','other':'o','CamelHttpUri':'http://evil.example'}"));
        assertEquals("order 3 n", result.at("/content/0/text").asText().strip());
        assertEquals("text", result.at("/content/0/type").asText());
        assertFalse(result.at("/isError").asBoolean(true));
    }

    @Test
    void argumentsAreCheckedAgainstTheSchema() throws Exception {
        for (var wrong : List.of("", "'id':'3'", "'id':3.5", "'id':null", "'id':[3]", "'id':3,'note':7")) {
            var result = result(legacy("tools/call", "'name':'findOrder','arguments':{" + wrong + "}"));
            assertTrue(result.at("/isError").asBoolean(), wrong);
            assertTrue(result.at("/content/0/text").asText().startsWith("Error: the argument"), result.toString());
        }
        assertTrue(result(legacy("tools/call", "'name':'findOrder'"))
                .at("/isError")
                .asBoolean());
    }

    @Test
    void aRouteThatFailsIsAnErrorForTheModelWithoutWhatIsOfTheServer() throws Exception {
        var result = result(legacy("tools/call", "'name':'fails','arguments':{}"));
        assertTrue(result.at("/isError").asBoolean());
        assertEquals(
                "Error: the tool failed: is down", result.at("/content/0/text").asText());
    }

    @Test
    void eachCallHasALineInTheLogWithoutItsArguments() throws Exception {
        try (var log = new LogLines("dev.llmworker.Requests")) {
            legacy("tools/call", "'name':'findOrder','arguments':{'id':31337}");
            legacy("tools/call", "'name':'findOrder','arguments':{'id':'x'}");
            legacy("tools/call", "'name':'fails'");
            Await.until("three lines", () -> log.with("called ").size() == 3);
            var lines = log.with("called ");
            assertTrue(
                    lines.get(0).contains("route=mcp tool=findOrder")
                            && lines.get(0).contains("outcome=ok"),
                    lines + "");
            assertTrue(lines.get(1).contains("outcome=invalid"), lines + "");
            assertTrue(lines.get(2).contains("tool=fails") && lines.get(2).contains("outcome=failed"), lines + "");
            assertFalse(lines.toString().contains("31337"));
        }
    }

    @Test
    void wrongMessagesGetTheErrorsOfJsonRpc() throws Exception {
        var wrong = new LinkedHashMap<String, Integer>();
        wrong.put("{", -32700);
        wrong.put("", -32700);
        wrong.put("[]", -32700);
        wrong.put("{'jsonrpc':'2.0','id':1,'id':2,'method':'ping'}", -32700);
        wrong.put("{'id':1,'method':'ping'}", -32600);
        wrong.put("{'jsonrpc':'1.0','id':1,'method':'ping'}", -32600);
        wrong.put("{'jsonrpc':2.0,'id':1,'method':'ping'}", -32600);
        wrong.put("{'jsonrpc':'2.0','id':null,'method':'ping'}", -32600);
        wrong.put("{'jsonrpc':'2.0','id':1.5,'method':'ping'}", -32600);
        wrong.put("{'jsonrpc':'2.0','id':{},'method':'ping'}", -32600);
        wrong.put("{'jsonrpc':'2.0','id':1}", -32600);
        wrong.put("{'jsonrpc':'2.0','id':1,'method':7}", -32600);
        wrong.put("{'jsonrpc':'2.0','id':1,'method':'ping','params':[]}", -32602);
        for (var entry : wrong.entrySet()) {
            var answer = send(entry.getKey()).join();
            assertError(400, entry.getValue(), answer);
            assertEquals("2.0", json(answer).at("/jsonrpc").asText());
        }
        assertTrue(json(send("{").join()).at("/id").isNull());
        assertError(200, -32601, legacy("resources/list", ""));
        assertError(404, -32601, modern("resources/list", ""));
        assertError(200, -32602, legacy("tools/list", "'cursor':'x'"));
        for (var params :
                List.of("", "'name':7", "'name':'findOrder','arguments':[]", "'name':'findOrder','arguments':'x'")) {
            assertError(200, -32602, legacy("tools/call", params));
        }
        assertError(200, -32602, legacy("initialize", ""));
        var get = worker().get("/mcp");
        assertError(405, 405, get);
        assertEquals("POST", get.headers().firstValue("Allow").orElse(""));
    }

    @Test
    void headersMustSayWhatTheBodySays() throws Exception {
        var call = "{'jsonrpc':'2.0','id':1,'method':'tools/call','params':{" + META + ",'name':'findOrder'}}";
        var version = "MCP-Protocol-Version";
        assertError(400, -32020, send(call).join());
        assertError(400, -32020, send(call, version, "2025-11-25").join());
        assertError(400, -32020, send(call, version, "2026-07-28").join());
        assertError(
                400,
                -32020,
                send(call, version, "2026-07-28", "Mcp-Method", "tools/list").join());
        assertError(
                400,
                -32020,
                send(call, version, "2026-07-28", "Mcp-Method", "tools/call").join());
        assertError(
                400,
                -32020,
                send(call, version, "2026-07-28", "Mcp-Method", "tools/call", "Mcp-Name", "fails")
                        .join());
        assertError(
                400,
                -32020,
                send(call, version, "2026-07-28", "Mcp-Method", "tools/call", "Mcp-Name", "=?base64?*?=")
                        .join());
        var unknown = send("{'jsonrpc':'2.0','id':1,'method':'ping'}", version, "2031-01-01")
                .join();
        assertError(400, -32022, unknown);
        assertEquals("2026-07-28", json(unknown).at("/error/data/supported/0").asText());
        assertEquals("2031-01-01", json(unknown).at("/error/data/requested").asText());
        assertError(
                400,
                -32602,
                send("{'jsonrpc':'2.0','id':1,'method':'ping'}", version, "2026-07-28")
                        .join());
    }

    @Test
    void aChangedFileChangesTheTools() throws Exception {
        assertEquals(2, result(legacy("tools/list", "")).at("/tools").size());
        RouteFolder.in(folder)
                .route("fails", "'llm-tool:works?tags=orders'", "setBody: {constant: it works}")
                .route("more", "'llm-tool:more?tags=other'", "setBody: {constant: more}");
        Files.delete(folder.resolve("lookup.camel.yaml"));
        worker().routeFiles().reload();
        var names = new ArrayList<String>();
        result(legacy("tools/list", ""))
                .at("/tools")
                .forEach(tool -> names.add(tool.at("/name").asText()));
        assertEquals(List.of("more", "works"), names);
        assertEquals(
                "it works",
                result(legacy("tools/call", "'name':'works'"))
                        .at("/content/0/text")
                        .asText());
        assertError(200, -32602, legacy("tools/call", "'name':'findOrder','arguments':{'id':3}"));
    }

    private CompletableFuture<HttpResponse<String>> hanging(String... headers) throws Exception {
        worker().bind("hang", (Processor) _ -> {
            entered.countDown();
            try {
                new CountDownLatch(1).await();
            } catch (InterruptedException e) {
                interrupted.countDown();
                throw e;
            }
        });
        RouteFolder.in(folder).route("hang", "'llm-tool:hang?tags=orders'", "process: {ref: hang}");
        worker().routeFiles().reload();
        var answer = send("{'jsonrpc':'2.0','id':'a','method':'tools/call','params':{'name':'hang'}}", headers);
        entered.await();
        return answer;
    }

    @Test
    void aClientThatLeavesCancelsItsCall() throws Exception {
        hanging().cancel(true);
        interrupted.await();
    }

    /// Two clients may choose the same short one.
    @Test
    void aSessionThatTheWorkerCannotHaveMadeCancelsNothing() throws Exception {
        var answer = hanging("Mcp-Session-Id", "1");
        var cancel = "{'jsonrpc':'2.0','method':'notifications/cancelled','params':{'requestId':'a'}}";
        assertEquals(202, send(cancel, "Mcp-Session-Id", "1").join().statusCode());
        assertEquals(1, interrupted.getCount());
        answer.cancel(true);
        interrupted.await();
    }

    @Test
    void anOlderClientCancelsItsOwnCallAlone() throws Exception {
        var answer = hanging("Mcp-Session-Id", MINE);
        var cancel = "{'jsonrpc':'2.0','method':'notifications/cancelled','params':{'requestId':'%s'}}";
        for (var session : List.of(MINE.replace('1', '2'), MINE.toUpperCase(Locale.ROOT))) {
            assertEquals(
                    202,
                    send(cancel.formatted("a"), "Mcp-Session-Id", session)
                            .join()
                            .statusCode());
        }
        assertEquals(202, send(cancel.formatted("a")).join().statusCode());
        assertEquals(
                202, send(cancel.formatted("b"), "Mcp-Session-Id", MINE).join().statusCode());
        assertEquals(
                202,
                send("{'jsonrpc':'2.0','method':'notifications/cancelled'}", "Mcp-Session-Id", MINE)
                        .join()
                        .statusCode());
        assertEquals(1, interrupted.getCount());
        assertEquals(
                202, send(cancel.formatted("a"), "Mcp-Session-Id", MINE).join().statusCode());
        interrupted.await();
        assertError(499, 499, answer.join());
        assertEquals("a", json(answer.join()).at("/id").asText());
    }

    @Test
    void aCallThatTakesTooLongIsAnErrorForTheModel() throws Exception {
        environment.put("REQUEST_TIMEOUT", "1s");
        var result = result(hanging().join());
        assertTrue(result.at("/isError").asBoolean());
        assertEquals(
                "Error: the tool takes longer than 1 s.",
                result.at("/content/0/text").asText());
        interrupted.await();
    }

    @Test
    void itIsBehindTheSameKeysAndLimits() throws Exception {
        Files.writeString(folder.resolve("keys"), "the-first-key-of-all requests_per_minute=1");
        environment.put("API_KEYS_FILE", folder.resolve("keys").toString());
        var missing = legacy("ping", "");
        assertError(401, 401, missing);
        assertTrue(json(missing).at("/id").isNull());
        assertEquals("missing_api_key", json(missing).at("/error/data/code").asText());
        var call = "{'jsonrpc':'2.0','id':1,'method':'tools/call','params':{'name':'findOrder','arguments':{'id':3}}}";
        var first = send(call, "X-API-Key", "the-first-key-of-all").join();
        assertFalse(result(first).at("/isError").asBoolean());
        assertEquals(
                "0",
                first.headers().firstValue("x-ratelimit-remaining-requests").orElse(""));
        var second = send(call, "X-API-Key", "the-first-key-of-all").join();
        assertError(429, 429, second);
        assertTrue(second.headers().firstValue("Retry-After").isPresent());
        assertEquals(1, json(second).at("/id").asInt());
        var list = send("{'jsonrpc':'2.0','id':1,'method':'tools/list'}", "X-API-Key", "the-first-key-of-all")
                .join();
        assertNotEquals(0, result(list).at("/tools").size(), "only calls count");
    }

    @Test
    void aCallThatDoesNotFitIntoTheBudgetCountsNothing() throws Exception {
        Files.writeString(folder.resolve("keys"), "the-first-key-of-all requests_per_minute=1");
        environment.put("API_KEYS_FILE", folder.resolve("keys").toString());
        environment.put("MEMORY_BUDGET", "1048576");
        var call = "{'jsonrpc':'2.0','id':1,'method':'tools/call','params':{'name':'findOrder','arguments':"
                + "{'id':3,'note':'%s'}}}";
        assertError(
                413,
                413,
                send(call.formatted("x".repeat(40_000)), "X-API-Key", "the-first-key-of-all")
                        .join());
        var next =
                send(call.formatted("x"), "X-API-Key", "the-first-key-of-all").join();
        assertFalse(result(next).at("/isError").asBoolean());
    }

    @Test
    void aPageOfAnotherSiteIsRejected() throws Exception {
        assertError(
                403,
                403,
                send("{'jsonrpc':'2.0','id':1,'method':'ping'}", "Origin", "https://evil.example")
                        .join());
    }

    @Test
    void whatACallHoldsCountsInTheBudget() throws Exception {
        environment.put("MEMORY_BUDGET", "1048576");
        var long40k = "x".repeat(40_000);
        var call = "'name':'findOrder','arguments':{'id':3,'note':'" + long40k + "'}";
        assertError(413, 413, legacy("tools/call", call));
        Await.until(
                "all is given back",
                () -> running != null && running.port().memory().usedBytes() < 4096);
        assertFalse(result(legacy("tools/call", "'name':'findOrder','arguments':{'id':3}"))
                .at("/isError")
                .asBoolean());
    }
}
