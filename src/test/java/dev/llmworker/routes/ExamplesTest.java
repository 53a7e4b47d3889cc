package dev.llmworker.routes;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.sun.net.httpserver.HttpServer;
import dev.llmworker.generation.AnswerFormat;
import dev.llmworker.generation.FinishReason;
import dev.llmworker.generation.MockGenerator;
import dev.llmworker.generation.RefusedException;
import dev.llmworker.testing.Await;
import dev.llmworker.testing.Concurrent;
import dev.llmworker.testing.RouteFolder;
import dev.llmworker.testing.RunningWorker;
import dev.llmworker.testing.ScriptedGenerator;
import dev.llmworker.testing.TestSocket;
import dev.llmworker.text.answer.AnswerPart;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// Each of `routes/examples/`, copied as the README says; the one with a broker is in [QueueExampleTest].
/// Those with a database are tested by `src/test/clients/route_tools.sh` and `library.sh`.
class ExamplesTest {
    @TempDir
    Path folder;

    private final ScriptedGenerator engine = new ScriptedGenerator();

    private RunningWorker worker(String example) throws Exception {
        return RunningWorker.with(
                engine, RouteFolder.in(folder.resolve("."), example).path());
    }

    private static CompletableFuture<HttpResponse<String>> post(RunningWorker worker, String path, String body) {
        return RunningWorker.HTTP.sendAsync(
                worker.request(path).POST(BodyPublishers.ofString(body)).build(), BodyHandlers.ofString());
    }

    @Concurrent
    @Test
    void classifyAsksAgainUntilTheAnswerHasALabel() throws Exception {
        try (var worker = worker("classify")) {
            var answer = post(worker, "/classify", "{\"text\":\"I {love} it\"}");
            var first = engine.next();
            assertTrue(first.prompt().endsWith("{\"label\": \"neutral\"}\n\nI {love} it"), first.prompt());
            assertEquals(40, first.request.tokenLimit());
            assertEquals(0, first.request.sampling().temperature());
            first.emit("I would say it is good.").finish(FinishReason.STOP);
            var second = engine.next();
            assertEquals(first.prompt(), second.prompt());
            assertTrue(second.request.sampling().temperature() > 0, "a retry that may answer otherwise");
            second.emit("{\"label\":\"splendid\"}").finish(FinishReason.STOP);
            engine.next()
                    .emit("Sure!\n```json\n{\"label\": \"positive\", \"why\": \"a } b\"}\n```")
                    .finish(FinishReason.STOP);
            assertEquals("{\"label\":\"positive\"}", answer.join().body());
            assertEquals(200, answer.join().statusCode());
        }
    }

    @Concurrent
    @Test
    void extractAnswersWithWhatItsSchemaAllows() throws Exception {
        try (var worker = worker("extract")) {
            var answer = post(worker, "/extract", "{\"text\":\"Ann is in Rome.\"}");
            var script = engine.next();
            assertTrue(script.prompt().endsWith("as JSON.\n\nAnn is in Rome."), script.prompt());
            var format = assertInstanceOf(AnswerFormat.Json.class, script.request.format());
            assertEquals(
                    8,
                    new ObjectMapper()
                            .readTree(format.schema())
                            .at("/$defs/names/maxItems")
                            .asInt());
            var json = "{\"people\":[\"Ann\"],\"places\":[\"Rome\"],\"tone\":\"neutral\"}";
            script.emit(json).finish(FinishReason.STOP);
            assertEquals(json, answer.join().body());
            var cut = post(worker, "/extract", "{\"text\":\"Ann\"}");
            engine.next().emit("{\"people\":[").finish(FinishReason.LENGTH);
            assertEquals(502, cut.join().statusCode());
            assertTrue(cut.join().body().contains("raise maxTokens"), cut.join().body());
        }
    }

    @Concurrent
    @Test
    void classifyGivesUpAfterThreeAnswers() throws Exception {
        try (var worker = worker("classify")) {
            var answer = post(worker, "/classify", "{\"text\":\"x\"}");
            for (var i = 0; i < 3; i++) {
                engine.next().emit("{\"label\":").finish(FinishReason.LENGTH);
            }
            assertEquals(502, answer.join().statusCode());
            assertEquals(
                    "{\"error\":\"the model named none of the labels in 3 attempts\",\"code\":\"invalid_answer\"}",
                    answer.join().body());
            assertTrue(engine.hasNone());
            assertEquals(400, worker.post("/classify", "{}").statusCode());
        }
    }

    @Concurrent
    @Test
    void briefAsksThreeThingsAtOnceAndMergesTheAnswers() throws Exception {
        try (var worker = worker("brief")) {
            var answer = post(worker, "/brief", "{\"text\":\"Long ago.\"}");
            // None is answered before all are asked.
            for (var script : List.of(engine.next(), engine.next(), engine.next())) {
                var text = switch (script.prompt().split(" ")[0]) {
                    case "Write" -> "Once";
                    case "Summarize" -> "It was.";
                    case "List" -> "ago";
                    default -> script.prompt();
                };
                script.emit(text).finish(FinishReason.STOP);
            }
            assertEquals(
                    Map.of("title", "Once", "summary", "It was.", "keywords", "ago"),
                    new ObjectMapper().readValue(answer.join().body(), Map.class));
        }
    }

    @Concurrent
    @Test
    void briefIsRefusedAsAWholeAndEndsWithItsClient() throws Exception {
        try (var worker = worker("brief")) {
            assertEquals(
                    "{\"error\":\"text is missing; it must be a string\",\"code\":\"invalid_request\"}",
                    worker.post("/brief", "{}").body());
            engine.refusal = new RefusedException(RefusedException.Reason.OVERLOADED, "overloaded", "no room");
            var refused = worker.post("/brief", "{\"text\":\"x\"}");
            assertEquals("{\"error\":\"no room\",\"code\":\"overloaded\"}", refused.body());
            assertEquals(503, refused.statusCode());
            engine.refusal = null;
            try (var client = worker.raw()) {
                client.send("POST /brief HTTP/1.1\r\nHost: x\r\nContent-Length: 12\r\n\r\n{\"text\":\"x\"}");
                var scripts = List.of(engine.next(), engine.next(), engine.next());
                client.close();
                for (var script : scripts) {
                    script.awaitClosed();
                }
            }
        }
    }

    @Concurrent
    @Test
    void folderSummarisesWhatIsPutIntoIt(@TempDir Path in, @TempDir Path out) throws Exception {
        System.setProperty("INBOX", in.toString());
        System.setProperty("OUTBOX", out.toString());
        engine.refusal = new RefusedException(RefusedException.Reason.LOADING, "loading", "the model is still loading");
        Files.writeString(in.resolve("a.txt"), "Ein schöner Tag.");
        Files.writeString(in.resolve("b.pdf"), "no text");
        try (var _ = worker("folder")) {
            engine.refusal = null;
            var script = engine.next();
            assertEquals("Summarize the following text in three sentences.\n\nEin schöner Tag.", script.prompt());
            script.emit("Schön.").finish(FinishReason.STOP);
            Await.until(
                    "the summary is there and its source moved",
                    () -> Files.exists(out.resolve("a.txt")) && Files.exists(in.resolve(".done/a.txt")));
            assertEquals("Schön.", Files.readString(out.resolve("a.txt")));
            Files.writeString(in.resolve("c.txt"), "x");
            engine.next().finish(FinishReason.ERROR);
            Await.until("the failed one is put aside", () -> Files.exists(in.resolve(".failed/c.txt")));
            assertTrue(Files.exists(in.resolve("b.pdf")));
            assertTrue(Files.notExists(out.resolve("c.txt")));
        } finally {
            System.clearProperty("INBOX");
            System.clearProperty("OUTBOX");
        }
    }

    @Concurrent
    @Test
    void askStreamsAnAnswerFromAnotherServicesDocument() throws Exception {
        var source = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
        source.createContext("/doc", request -> {
            var got = request.getRequestMethod()
                    + ' '
                    + request.getRequestURI()
                    + ' '
                    + request.getRequestHeaders().get("X-Mine");
            var document = (got + " {question} is é").getBytes(StandardCharsets.UTF_8);
            request.getResponseHeaders().set("Content-Type", "text/plain; charset=utf-8");
            request.sendResponseHeaders(200, document.length);
            request.getResponseBody().write(document);
            request.close();
        });
        source.start();
        System.setProperty(
                "SOURCE_URL", "http://127.0.0.1:" + source.getAddress().getPort() + "/doc");
        try (var worker = worker("ask")) {
            var answer = RunningWorker.HTTP.sendAsync(
                    worker.request("/ask?x=1")
                            .header("X-Mine", "1")
                            .POST(BodyPublishers.ofString("{\"question\":\"Why?\"}"))
                            .build(),
                    BodyHandlers.ofLines());
            var script = engine.next();
            assertEquals(
                    "GET /doc null {question} is é\n\nAnswer this question from the text above: Why?", script.prompt());
            script.emit("Be");
            var lines = answer.join().body().iterator();
            assertEquals("data: {\"token\":\"Be\",\"index\":0}", lines.next());
            assertEquals("", lines.next());
            script.emit("cause").finish(FinishReason.STOP);
            assertEquals("data: {\"token\":\"cause\",\"index\":1}", lines.next());
            assertEquals("", lines.next());
            assertEquals("data: {\"done\":true,\"total_tokens\":2}", lines.next());
        } finally {
            System.clearProperty("SOURCE_URL");
            source.stop(0);
        }
    }

    @Concurrent
    @Test
    void ordersLetsTheModelAskAnHttpService() throws Exception {
        var shop = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
        shop.createContext("/orders", request -> {
            var order = ("{\"at\":\"" + request.getRequestMethod() + " " + request.getRequestURI() + "\"}")
                    .getBytes(StandardCharsets.UTF_8);
            request.sendResponseHeaders(200, order.length);
            request.getResponseBody().write(order);
            request.close();
        });
        shop.start();
        System.setProperty("ORDERS_URL", "http://127.0.0.1:" + shop.getAddress().getPort() + "/orders");
        try (var worker = worker("orders")) {
            var answer = post(worker, "/orders", "{\"question\":\"Where is order 7?\"}");
            engine.next()
                    .emit(
                            new AnswerPart.CallStart(0, "c", "findOrder"),
                            new AnswerPart.CallArguments(0, "{\"number\":7}"))
                    .finish(FinishReason.TOOL_CALLS);
            var second = engine.next();
            assertEquals("{\"at\":\"GET /orders/7\"}", second.prompt());
            second.emit("In Rome.").finish(FinishReason.STOP);
            assertEquals("{\"answer\":\"In Rome.\"}", answer.join().body());
        } finally {
            System.clearProperty("ORDERS_URL");
            shop.stop(0);
        }
    }

    @Concurrent
    @Test
    void translateTakesTheLanguageFromThePath() throws Exception {
        var routes = RouteFolder.in(folder, "translate").path();
        try (var worker = RunningWorker.with(new MockGenerator(), routes);
                var socket = worker.socket("/translate/French")) {
            var answer = socket.send("{\"text\":\"good day\",\"max_tokens\":9}").answer();
            assertTrue(
                    TestSocket.text(answer).startsWith("Response to: 'Translate to French:\n\ngood day"),
                    answer.toString());
        }
    }
}
