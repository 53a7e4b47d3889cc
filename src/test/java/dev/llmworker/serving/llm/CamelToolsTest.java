package dev.llmworker.serving.llm;

import static java.util.Objects.requireNonNull;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.llmworker.generation.FinishReason;
import dev.llmworker.generation.Prompt;
import dev.llmworker.testing.LogLines;
import dev.llmworker.testing.RouteFolder;
import dev.llmworker.testing.RunningWorker;
import dev.llmworker.testing.ScriptedGenerator;
import dev.llmworker.text.answer.AnswerPart;
import dev.llmworker.text.tools.Tool;
import java.io.File;
import java.net.URL;
import java.net.URLClassLoader;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.stream.Stream;
import javax.tools.ToolProvider;
import org.apache.camel.CamelContext;
import org.apache.camel.Processor;
import org.apache.camel.support.DefaultConsumer;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;
import org.junit.jupiter.api.io.TempDir;

/// The tools of Camel's component `ai-tool`. The test compiles a stand-in of what the worker uses of that module; with
/// `-DcamelAiTool=JAR` it also tries the module itself.
@Timeout(180)
class CamelToolsTest {
    private static final String PACKAGE = "org.apache.camel.component.ai.tool.";
    private static final String HEAD = "package org.apache.camel.component.ai.tool;\n";
    private static final String JAR = "camelAiTool";

    private static final Map<String, String> SOURCES =
            Map.of("AiToolSpec", """
            public record AiToolSpec(String getName, String getDescription, String getParametersJsonSchema,
                    org.apache.camel.support.DefaultConsumer getConsumer) {}
            """, "AiToolRegistry", """
            import java.util.*;
            import java.util.concurrent.*;
            import org.apache.camel.CamelContext;

            public final class AiToolRegistry {
                private final Map<String, Set<AiToolSpec>> tagged = new ConcurrentHashMap<>();
                private final Set<AiToolSpec> untagged = ConcurrentHashMap.newKeySet();

                public static synchronized AiToolRegistry getOrCreate(CamelContext context) {
                    var extension = context.getCamelContextExtension();
                    var known = extension.getContextPlugin(AiToolRegistry.class);
                    if (known == null) {
                        known = new AiToolRegistry();
                        extension.addContextPlugin(AiToolRegistry.class, known);
                    }
                    return known;
                }

                public void put(String tag, AiToolSpec spec) {
                    tagged.computeIfAbsent(tag, key -> ConcurrentHashMap.newKeySet()).add(spec);
                }

                public void remove(String tag, AiToolSpec spec) {
                    tagged.get(tag).remove(spec);
                }

                public void putDefault(AiToolSpec spec) {
                    untagged.add(spec);
                }

                public Map<String, Set<AiToolSpec>> getTools() {
                    return Map.copyOf(tagged);
                }

                public Set<AiToolSpec> getDefaultTools() {
                    return Set.copyOf(untagged);
                }
            }
            """, "AiToolResult", """
            public sealed interface AiToolResult {
                record Success(String value) implements AiToolResult {}
                record ArgumentError(String message, Exception cause) implements AiToolResult {}
                record ExecutionError(String message, Exception cause) implements AiToolResult {}
                record AuthorizationDenied(String message, Exception cause) implements AiToolResult {}
            }
            """, "AiToolExecutor", """
            import java.util.Map;
            import org.apache.camel.Exchange;

            public final class AiToolExecutor {
                public static AiToolResult execute(AiToolSpec spec, Map<String, Object> arguments, Exchange exchange) {
                    arguments.forEach(exchange.getMessage()::setHeader);
                    try {
                        spec.getConsumer().getProcessor().process(exchange);
                        return new AiToolResult.Success(exchange.getMessage().getBody(String.class));
                    } catch (SecurityException e) {
                        return new AiToolResult.AuthorizationDenied("not for you", e);
                    } catch (Exception e) {
                        return new AiToolResult.ExecutionError("the tool " + spec.getName() + " failed", e);
                    }
                }
            }
            """);

    @TempDir
    Path folder;

    @TempDir
    static Path standIn;

    @TempDir
    Path classes;

    private final ScriptedGenerator engine = new ScriptedGenerator();
    private RunningWorker worker;
    private ClassLoader loader;

    @BeforeEach
    void start() throws Exception {
        loader = getClass().getClassLoader();
        var routes = RouteFolder.in(folder)
                .route("own", "'llm-tool:own?tags=orders,twice'", "setBody: {constant: own}")
                .route(
                        "step",
                        "platform-http:/step",
                        "setHeader: {name: X-Client, constant: c}",
                        "convertBodyTo: {type: String}",
                        "to: 'llm:generate?tools=orders'")
                .path();
        worker = new RunningWorker(engine, Map.of("ROUTES", routes.toString(), "ROUTE_TOOLS", "orders, post"));
    }

    @AfterEach
    void stop() {
        worker.close();
    }

    private void load(URL... places) {
        loader = new URLClassLoader(places, getClass().getClassLoader());
        worker.context().setApplicationContextClassLoader(loader);
    }

    private void loadStandIn() throws Exception {
        load(standIn.toUri().toURL());
    }

    @BeforeAll
    static void compileStandIn() throws Exception {
        var sources = Files.createDirectories(standIn.resolve("src"));
        for (var source : SOURCES.entrySet()) {
            Files.writeString(sources.resolve(source.getKey() + ".java"), HEAD + source.getValue());
        }
        var files = SOURCES.keySet().stream()
                .map(name -> sources.resolve(name + ".java").toString());
        compile(Stream.concat(Stream.of("-d", standIn.toString()), files));
    }

    private static void compile(Stream<String> arguments) {
        var all = Stream.concat(Stream.of("-proc:none", "-cp", System.getProperty("java.class.path")), arguments)
                .toArray(String[]::new);
        assertEquals(0, ToolProvider.getSystemJavaCompiler().run(null, null, null, all));
    }

    private Object registry() throws Exception {
        return requireNonNull(Class.forName(PACKAGE + "AiToolRegistry", true, loader)
                .getMethod("getOrCreate", CamelContext.class)
                .invoke(null, worker.context()));
    }

    private Object spec(String name, @Nullable String schema, Processor route) throws Exception {
        var consumer = new DefaultConsumer(worker.context().getEndpoint("direct:" + name), route);
        consumer.setRouteId("route-of-" + name);
        return Class.forName(PACKAGE + "AiToolSpec", true, loader)
                .getConstructors()[0]
                .newInstance(name, "Does it.", schema, consumer);
    }

    private void call(String method, @Nullable String tag, Object spec) throws Exception {
        if (tag == null) {
            registry().getClass().getMethod(method, spec.getClass()).invoke(registry(), spec);
        } else {
            registry()
                    .getClass()
                    .getMethod(method, String.class, spec.getClass())
                    .invoke(registry(), tag, spec);
        }
    }

    private CompletableFuture<HttpResponse<String>> post(String path, String body) {
        return RunningWorker.HTTP.sendAsync(
                worker.request(path)
                        .header("Content-Type", path.startsWith("/v1") ? "application/json" : "text/plain")
                        .POST(BodyPublishers.ofString(body.replace('\'', '"')))
                        .build(),
                BodyHandlers.ofString());
    }

    private static List<String> offered(ScriptedGenerator.Script script) {
        return requireNonNull(script.request.parts()).tools().tools().stream()
                .map(Tool::name)
                .toList();
    }

    private String resultOf(String tool, String arguments) throws Exception {
        var answer = post("/step", "Do it.");
        engine.next()
                .emit(new AnswerPart.CallStart(0, "c", tool), new AnswerPart.CallArguments(0, arguments))
                .finish(FinishReason.TOOL_CALLS);
        var second = engine.next();
        second.emit("Done.").finish(FinishReason.STOP);
        assertEquals(200, answer.join().statusCode());
        return ((Prompt.Chat) second.request.prompt()).messages().getLast().content();
    }

    @Test
    void theToolsOfCamelsRegistryAreOfferedAndCalled() throws Exception {
        loadStandIn();
        var find = spec(
                "find",
                "{\"type\":\"object\",\"properties\":{\"id\":{\"type\":\"integer\"}},\"required\":[\"id\"]}",
                exchange -> exchange.getMessage()
                        .setBody("found " + exchange.getMessage().getHeader("id")
                                + exchange.getMessage().getHeader("X-Client")
                                + exchange.getMessage().getBody()));
        call("put", "orders", find);
        call("put", "mail", find);
        call(
                "putDefault",
                null,
                spec("any", null, exchange -> exchange.getMessage().setBody("any")));
        call("put", "mail", spec("send", null, exchange -> exchange.getMessage().setBody("sent")));
        var answer = post("/step", "Do it.");
        var script = engine.next();
        assertEquals(List.of("any", "find", "own"), offered(script));
        script.emit("Done.").finish(FinishReason.STOP);
        assertEquals(200, answer.join().statusCode());
        assertEquals("found 7nullnull", resultOf("find", "{\"id\":7,\"X-Client\":\"model\"}"));
        assertEquals("any", resultOf("any", "{}"));
        assertTrue(resultOf("find", "{\"id\":\"x\"}").startsWith("Error: the arguments do not match"));
        assertEquals("Error: there is no tool send.", resultOf("send", "{}"));
        call("remove", "orders", find);
        assertEquals("Error: there is no tool find.", resultOf("find", "{\"id\":7}"));
    }

    @Test
    void whatTheModuleReportsIsToldToTheModel() throws Exception {
        loadStandIn();
        call("put", "orders", spec("fails", null, _ -> {
            throw new IllegalStateException("no database");
        }));
        call("put", "orders", spec("denied", null, _ -> {
            throw new SecurityException("of the policy");
        }));
        assertEquals("Error: the tool failed: no database", resultOf("fails", "{}"));
        assertEquals("Error: the tool failed: not for you", resultOf("denied", "{}"));
    }

    @Test
    void clientsNameOnlyTheTagsThatAreAllowed() throws Exception {
        loadStandIn();
        call(
                "put",
                "orders",
                spec("find", null, exchange -> exchange.getMessage().setBody("found")));
        call("put", "mail", spec("send", null, exchange -> exchange.getMessage().setBody("sent")));
        var chat = "{'messages':[{'role':'user','content':'a'}],'tools':[{'type':'route','tags':['%s']}]}";
        var answer = post("/v1/chat/completions", chat.formatted("orders"));
        var script = engine.next();
        assertEquals(List.of("find", "own"), offered(script));
        script.emit("Done.").finish(FinishReason.STOP);
        assertEquals(200, answer.join().statusCode());
        assertEquals(
                400, post("/v1/chat/completions", chat.formatted("mail")).join().statusCode());
    }

    @Test
    void aToolThatCannotBeEnforcedIsNotOfferedAndTheLogSaysWhy() throws Exception {
        loadStandIn();
        try (var log = new LogLines(CamelTools.class.getName())) {
            call("put", "orders", spec("wrong", "{\"type\":\"object\",\"not\":{}}", _ -> {}));
            assertEquals("Error: there is no tool wrong.", resultOf("wrong", "{}"));
            assertEquals("Error: there is no tool wrong.", resultOf("wrong", "{}"));
            assertEquals(
                    1,
                    log.with("the tool wrong of camel-ai-tool is not offered").size());
        }
    }

    @Test
    void twoToolsOfOneNameAreNotOfferedTogether() throws Exception {
        loadStandIn();
        call(
                "put",
                "orders",
                spec("own", null, exchange -> exchange.getMessage().setBody("other")));
        assertEquals(500, post("/step", "Do it.").join().statusCode());
        var tools = worker.context()
                .getComponent("llm-tool", LlmToolComponent.class)
                .tools();
        var message = assertThrows(IllegalStateException.class, () -> tools.ofStep(List.of("orders")))
                .getMessage();
        assertTrue(String.valueOf(message).startsWith("two routes are the tool own: own and route-of-own;"), message);
        assertEquals(1, tools.ofStep(List.of("twice")).size());
        assertTrue(engine.hasNone());
    }

    @Test
    void ofTwoToolsOfOneNameTheModelCallsTheOneThatTheClientNamed() throws Exception {
        loadStandIn();
        call("put", "post", spec("own", null, exchange -> exchange.getMessage().setBody("other")));
        var chat = "{'messages':[{'role':'user','content':'a'}],'tools':[%s]}";
        var named = "{'type':'route','tags':['%s']}";
        for (var tag : Map.of("orders", "own", "post", "other").entrySet()) {
            var answer = post("/v1/chat/completions", chat.formatted(named.formatted(tag.getKey())));
            engine.next()
                    .emit(new AnswerPart.CallStart(0, "c", "own"), new AnswerPart.CallArguments(0, "{}"))
                    .finish(FinishReason.TOOL_CALLS);
            var second = engine.next();
            second.emit("Done.").finish(FinishReason.STOP);
            assertEquals(200, answer.join().statusCode());
            assertEquals(
                    tag.getValue(),
                    ((Prompt.Chat) second.request.prompt()).messages().getLast().content());
        }
        var both = named.formatted("orders") + "," + named.formatted("post");
        var refused = post("/v1/chat/completions", chat.formatted(both)).join();
        assertEquals(400, refused.statusCode());
        assertTrue(refused.body().contains("which is the name of another tool, too"), refused.body());
    }

    @Test
    void aToolThatIsDefaultAndTaggedIsOneTool() throws Exception {
        loadStandIn();
        var both = spec("both", null, exchange -> exchange.getMessage().setBody("done"));
        call("putDefault", null, both);
        call("put", "orders", both);
        assertEquals("done", resultOf("both", "{}"));
    }

    /// While its route is reloaded, the registry has the old and the new version.
    @Test
    void ofTwoVersionsOfARouteTheNewestServes() throws Exception {
        loadStandIn();
        for (var version : List.of("old", "new", "newest")) {
            call(
                    "put",
                    "orders",
                    spec("find", null, exchange -> exchange.getMessage().setBody(version)));
            assertEquals(version, resultOf("find", "{}"));
        }
    }

    @Test
    void aModuleOfAnotherFormIsLeftAlone() throws Exception {
        var file = Files.writeString(classes.resolve("AiToolRegistry.java"), HEAD + "public class AiToolRegistry {}");
        compile(Stream.of("-d", classes.toString(), file.toString()));
        load(classes.toUri().toURL());
        try (var log = new LogLines(CamelTools.class.getName())) {
            assertEquals("own", resultOf("own", "{}"));
            assertEquals(1, log.with("this version has another API").size());
        }
    }

    @Test
    @EnabledIfSystemProperty(named = JAR, matches = ".+", disabledReason = "needs -DcamelAiTool=JAR")
    void aRouteFromTheModuleIsATool() throws Exception {
        load(new File(System.getProperty(JAR)).toURI().toURL());
        RouteFolder.in(folder)
                .route(
                        "find",
                        "'ai-tool:find?tags=orders&description=Finds it.&parameter.id=integer&parameter.id.required=true'",
                        "setBody: {simple: 'found ${header.id}${header.X-Client}'}");
        worker.routeFiles().reload();
        assertEquals("found 7", resultOf("find", "{\"id\":7}"));
        assertTrue(resultOf("find", "{}").startsWith("Error: "), "the argument is missing");
        RouteFolder.in(folder)
                .route("find", "'ai-tool:find?tags=orders&parameter.id=integer'", "setBody: {constant: new}");
        worker.routeFiles().reload();
        assertEquals("new", resultOf("find", "{\"id\":7}"));
    }
}
