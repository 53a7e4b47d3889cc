package dev.llmworker.remote;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.llmworker.generation.AnswerFormat;
import dev.llmworker.generation.GenerationRequest;
import dev.llmworker.generation.Prompt;
import dev.llmworker.generation.memory.HeldMemory;
import dev.llmworker.sampling.SamplingParameters;
import dev.llmworker.testing.Await;
import dev.llmworker.testing.Concurrent;
import dev.llmworker.testing.Events;
import dev.llmworker.testing.FreePort;
import dev.llmworker.testing.RemoteWorker;
import dev.llmworker.testing.RunningWorker;
import dev.llmworker.testing.ScriptedServer;
import dev.llmworker.testing.TestSocket;
import java.io.IOException;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// Which server is asked, what is asked again, and what `/ping` says of them.
class RemoteServersTest {
    private static final String PROMPT = "{\"prompt\":\"a\"}";

    private static ScriptedServer answering(String text) throws Exception {
        return new ScriptedServer()
                .answers((_, wire) -> wire.stream().delta(text).end("stop", 1, 1));
    }

    private static String generated(RemoteWorker remote) throws Exception {
        var answer = remote.worker.post("/generate", PROMPT);
        assertEquals(200, answer.statusCode(), answer.body());
        return Events.json(answer.body()).get("generated_text").asText();
    }

    @Concurrent
    @Test
    void pingFollowsTheServer() throws Exception {
        try (var server = answering("a");
                var remote = new RemoteWorker(Map.of(), server)) {
            remote.awaitReady();
            assertEquals(200, remote.worker.get("/ping").statusCode());
            server.health = 503;
            Await.until("it is gone", () -> status(remote) == 503);
            assertEquals(503, remote.worker.post("/generate", PROMPT).statusCode());
            server.health = 200;
            Await.until("it is back", () -> status(remote) == 200);
            assertEquals("a", generated(remote));
        }
    }

    private static int status(RemoteWorker remote) {
        try {
            return remote.worker.get("/ping").statusCode();
        } catch (Exception e) {
            throw new IllegalStateException(e);
        }
    }

    @Concurrent
    @Test
    void pingIs204UntilTheServerIsReady() throws Exception {
        try (var server = answering("a")) {
            server.health = 503;
            try (var remote = new RemoteWorker(Map.of(), server)) {
                assertEquals(204, remote.worker.get("/ping").statusCode());
                var refused = remote.worker.post("/generate", PROMPT);
                assertEquals(503, refused.statusCode());
                assertTrue(refused.headers().firstValue("Retry-After").isPresent());
                assertTrue(refused.body().contains("\"code\":\"loading\""), refused.body());
                server.health = 200;
                remote.awaitReady();
                assertEquals(200, remote.worker.get("/ping").statusCode());
            }
        }
    }

    /// @param chunkBytes of each part of an answer that goes on and on
    @Concurrent
    @ParameterizedTest
    @CsvSource({"131072, 0", "1, 100"})
    void aHealthCheckThatDoesNotEndIsCut(int chunkBytes, long pauseMillis) throws Exception {
        var cut = new CountDownLatch(1);
        try (var server = answering("a")) {
            server.check = (_, wire) -> {
                try {
                    wire.stream();
                    for (var i = 0; i < 1024; i++) {
                        wire.chunk(new byte[chunkBytes]);
                        Thread.sleep(pauseMillis);
                    }
                    wire.raw("0\r\n\r\n");
                } catch (IOException e) {
                    cut.countDown();
                    throw e;
                }
            };
            try (var remote = new RemoteWorker(Map.of(), server)) {
                assertTrue(cut.await(TestSocket.TIMEOUT_SECONDS, TimeUnit.SECONDS), "all of it was read");
                assertEquals(204, remote.worker.get("/ping").statusCode());
                server.check = null;
                remote.awaitReady();
            }
        }
    }

    @Concurrent
    @Test
    void aServerWithoutAHealthPathIsAskedForItsModels() throws Exception {
        try (var server = answering("a")) {
            server.health = 404;
            server.models = 503;
            try (var remote = new RemoteWorker(Map.of(), server)) {
                assertEquals(204, remote.worker.get("/ping").statusCode());
                server.models = 200;
                remote.awaitReady();
                assertEquals("a", generated(remote));
            }
        }
    }

    @Test
    void thePathOfAModelIsNotItsIdForClients() {
        for (var id : Map.of("/srv/models/a.gguf", "a.gguf", "/srv/models/b/", "b", "org/c", "org/c", "/", "/")
                .entrySet()) {
            var server = new RemoteServer(ServerAddress.parse("http://localhost:1"), System::nanoTime);
            server.healthy(id.getKey());
            var servers = new RemoteServers(1);
            servers.add(server);
            assertEquals(Optional.of(id.getValue()), servers.modelId());
        }
    }

    private record Taken(AtomicLong bytes) implements HeldMemory {
        @Override
        public void take(long more) {
            bytes.addAndGet(more);
        }

        @Override
        public void add(long more) {
            bytes.addAndGet(more);
        }
    }

    /// An event loop has no time for it.
    @Concurrent
    @Test
    void aGrammarIsWrittenOnTheRequestsThreadAndCountsAsMemory() throws Exception {
        try (var server = answering("a")) {
            server.owner = "llamacpp";
            try (var remote = new RemoteWorker(Map.of(), server)) {
                remote.awaitReady();
                var request = new GenerationRequest(
                                new Prompt.Raw("x"), OptionalInt.empty(), SamplingParameters.greedy(), false)
                        .withFormat(new AnswerFormat.Pattern("regex", "\\p{L}+"));
                var question = ApiRequest.of(request);
                var other = new RemoteServer(ServerAddress.parse(server.url()), System::nanoTime);
                question.prepare(List.of(other));
                assertEquals(0, question.heldBytes());
                other.speaks(Dialect.LLAMA_CPP);
                question.prepare(List.of(other));
                assertTrue(question.heldBytes() > 1000);
                var taken = new AtomicLong();
                try (var generation = remote.generator.submit(request)) {
                    generation.countIn(new Taken(taken));
                    generation.forEach(_ -> {});
                }
                assertEquals(question.heldBytes(), taken.get());
                assertEquals(
                        question.heldBytes(),
                        server.next().body().get("grammar").asText().length());
            }
        }
    }

    @Concurrent
    @Test
    void aServerThatIsNotToBeAskedIsTakenForReady() throws Exception {
        try (var server = answering("a")) {
            server.health = 503;
            server.models = 503;
            var environment = Map.of("ENGINE_HEALTH_PATH", "none", "ENGINE_MODEL", "named");
            try (var remote = new RemoteWorker(environment, server)) {
                remote.awaitReady();
                assertEquals("a", generated(remote));
                assertEquals("named", server.next().body().get("model").asText());
            }
        }
    }

    @Concurrent
    @Test
    void aServerThatRefusesTheKeyIsNamedAtOnce() throws Exception {
        try (var server = answering("a")) {
            server.models = 401;
            try (var remote = new RemoteWorker(Map.of(), server)) {
                Await.until("it is refused", () -> status(remote) == 503);
                var body = remote.worker.get("/ping").body();
                assertTrue(body.contains("the engine's server rejects the worker's key"), body);
            }
        }
    }

    @Concurrent
    @Test
    void aServerThatStartsAgainIsFoundAgain() throws Exception {
        var first = new ScriptedServer(FreePort.choose())
                .answers((_, wire) -> wire.stream().delta("a").end("stop", 1, 1));
        try (var remote = new RemoteWorker(Map.of(), first)) {
            remote.awaitReady();
            assertEquals("a", generated(remote));
            first.close();
            var gone = remote.worker.post("/generate", PROMPT);
            assertEquals(503, gone.statusCode(), gone.body());
            assertTrue(gone.body().contains("\"code\":\"engine_unavailable\""), gone.body());
            assertTrue(gone.headers().firstValue("Retry-After").isPresent());
            assertEquals(503, status(remote));
            try (var second = new ScriptedServer(first.port())) {
                second.answers((_, wire) -> wire.stream().delta("b").end("stop", 1, 1));
                remote.awaitReady();
                assertEquals("b", generated(remote));
            }
            remote.assertIdle();
        }
    }

    @Concurrent
    @Test
    void theServerWithTheFewestIsAsked() throws Exception {
        var go = new CountDownLatch(1);
        var servers = new ScriptedServer[3];
        for (var i = 0; i < servers.length; i++) {
            servers[i] = new ScriptedServer().answers((_, wire) -> {
                wire.stream().delta("a");
                go.await();
                wire.end("stop", 1, 1);
            });
        }
        try (var remote = new RemoteWorker(Map.of("ENGINE_CONNECTIONS", "4"), servers)) {
            Await.until("all are ready", () -> remote.generator.readyServers() == 3);
            var answers = new ArrayList<CompletableFuture<Integer>>();
            for (var i = 0; i < 12; i++) {
                var before = i;
                answers.add(RunningWorker.HTTP
                        .sendAsync(
                                remote.worker
                                        .request("/generate")
                                        .POST(HttpRequest.BodyPublishers.ofString(PROMPT))
                                        .build(),
                                HttpResponse.BodyHandlers.discarding())
                        .thenApply(HttpResponse::statusCode));
                Await.until("it is taken", () -> remote.worker.stats.requests() == before + 1);
                assertTrue(
                        remote.generator.outstanding().stream().allMatch(n -> n >= before / 3 && n <= before / 3 + 1));
            }
            assertEquals(List.of(4, 4, 4), remote.generator.outstanding());
            var refused = remote.worker.post("/generate", PROMPT);
            assertEquals(503, refused.statusCode());
            assertTrue(refused.body().contains("\"code\":\"queue_full\""), refused.body());
            go.countDown();
            for (var answer : answers) {
                assertEquals(200, answer.join());
            }
            remote.assertIdle();
        } finally {
            for (var server : servers) {
                server.close();
            }
        }
    }

    @Concurrent
    @Test
    void beforeTheFirstTokenAnotherServerIsAsked() throws Exception {
        for (var fault : List.<ScriptedServer.Script>of(
                (_, wire) -> wire.json(500, "{}"),
                (_, wire) -> wire.json(429, "{}"),
                (_, wire) -> wire.cut(),
                (_, wire) -> wire.stream().cut(),
                (_, wire) -> wire.stream().event("garbage").awaitLeft())) {
            try (var bad = new ScriptedServer().answers(fault);
                    var good = answering("good");
                    var remote = new RemoteWorker(Map.of(), bad, good)) {
                Await.until("both are ready", () -> remote.generator.readyServers() == 2);
                for (var i = 0; i < 4; i++) {
                    assertEquals("good", generated(remote));
                }
                assertEquals(4, remote.worker.stats.requests());
                remote.assertIdle();
            }
        }
    }

    @Concurrent
    @Test
    void afterTheFirstTokenNobodyElseIsAsked() throws Exception {
        try (var bad = new ScriptedServer()
                        .answers((_, wire) -> wire.stream().delta("a").cut());
                var other = new ScriptedServer()
                        .answers((_, wire) -> wire.stream().delta("a").cut());
                var remote = new RemoteWorker(Map.of(), bad, other)) {
            Await.until("both are ready", () -> remote.generator.readyServers() == 2);
            assertEquals(502, remote.worker.post("/generate", PROMPT).statusCode());
            assertEquals(1, bad.requests.size() + other.requests.size());
        }
    }

    @Concurrent
    @Test
    void aConnectionThatTheServerClosedMeanwhileIsMadeAgain() throws Exception {
        var count = new AtomicInteger();
        try (var server = new ScriptedServer().answers((_, wire) -> {
                    if (count.incrementAndGet() == 2) {
                        wire.cut();
                    }
                    wire.stream().delta("a").end("stop", 1, 1);
                });
                var remote = RemoteWorker.before(server)) {
            assertEquals("a", generated(remote));
            assertEquals("a", generated(remote));
            assertEquals(3, count.get());
            remote.assertIdle();
        }
    }

    @Concurrent
    @Test
    void aServerThatFailsOverAndOverIsEjectedAndComesBack() throws Exception {
        try (var bad = new ScriptedServer().answers((_, wire) -> wire.json(500, "{}"));
                var good = answering("good");
                var remote = new RemoteWorker(Map.of(), bad, good)) {
            Await.until("both are ready", () -> remote.generator.readyServers() == 2);
            while (bad.requests.size() < 3) {
                assertEquals("good", generated(remote));
            }
            Await.until("it is ejected", () -> remote.generator.readyServers() == 1);
            for (var i = 0; i < 4; i++) {
                assertEquals("good", generated(remote));
            }
            bad.answers((_, wire) -> wire.stream().delta("mended").end("stop", 1, 1));
            Await.until("it is asked again", () -> remote.generator.readyServers() == 2);
            var texts = new ArrayList<String>();
            for (var i = 0; i < 4; i++) {
                texts.add(generated(remote));
            }
            assertTrue(texts.contains("mended"), texts.toString());
        }
    }
}
