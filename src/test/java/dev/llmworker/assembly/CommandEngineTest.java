package dev.llmworker.assembly;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTimeoutPreemptively;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.llmworker.child.ChildServer;
import dev.llmworker.generation.Answer;
import dev.llmworker.generation.FinishReason;
import dev.llmworker.generation.GenerationEvent;
import dev.llmworker.generation.OpenAiRequest;
import dev.llmworker.generation.Readiness;
import dev.llmworker.generation.RefusedException;
import dev.llmworker.generation.RelayEvent;
import dev.llmworker.remote.RemoteGenerator;
import dev.llmworker.settings.Settings;
import dev.llmworker.settings.SettingsException;
import dev.llmworker.stats.WorkerStats;
import dev.llmworker.testing.Await;
import dev.llmworker.testing.FaultyServer;
import dev.llmworker.testing.LogLines;
import dev.llmworker.testing.StartsProcesses;
import io.vertx.core.Vertx;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.LinkedBlockingQueue;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// A server that the worker starts, with the faults of `src/test/python/faulty_server.py`.
@StartsProcesses
class CommandEngineTest {
    private static final Duration LONG = Duration.ofMinutes(10);

    private final Vertx vertx = Vertx.vertx();
    private final WorkerStats stats = new WorkerStats();
    private final LinkedBlockingQueue<String> exits = new LinkedBlockingQueue<>();
    private final CountDownLatch exitTime = new CountDownLatch(1);
    private final LogLines log = new LogLines("dev.llmworker");
    private final StartReport report = new StartReport(
            false, () -> exits.add("at once"), new FailureExit(LONG, _ -> exitTime.await(), exits::add));

    @TempDir
    Path folder;

    private FaultyServer server;
    private @Nullable RemoteGenerator started;
    private int mostStarts = 3;

    @BeforeEach
    void prepare() {
        server = FaultyServer.in(folder);
        report.routesAreUp("http://127.0.0.1:1");
    }

    @AfterEach
    void stop() {
        if (started != null) {
            started.close();
        }
        server.awaitGone();
        log.close();
        vertx.close().toCompletionStage().toCompletableFuture().join();
    }

    private static Settings settings(Map<String, String> environment) throws SettingsException {
        var variables = new HashMap<>(Map.of("ENGINE", "openai"));
        variables.putAll(environment);
        return Settings.of(variables);
    }

    private void start(Duration start, Duration silence, Map<String, String> environment, String command)
            throws Exception {
        var limits =
                new ChildServer.Limits(start, silence, LONG, Duration.ofMillis(50), Duration.ofMillis(100), mostStarts);
        started = CommandEngine.of(settings(environment), command, Duration.ofSeconds(1))
                .start(vertx, stats.engine(), report, limits);
    }

    private RemoteGenerator generator() {
        return Objects.requireNonNull(started);
    }

    private void start(String... faults) throws Exception {
        start(LONG, LONG, Map.of(), server.command(faults));
    }

    private void awaitReady() {
        Await.until("it is ready", () -> generator().readiness() instanceof Readiness.Ready);
    }

    private void awaitServers(int count) {
        Await.until("it is started " + count + " times", () -> server.servers().size() >= count);
    }

    private Answer<RelayEvent> ask(String prompt) {
        var body = Map.of("messages", List.of(Map.of("role", "user", "content", prompt)));
        return generator().relay(new OpenAiRequest(OpenAiRequest.Form.CHAT, body, ""));
    }

    private void assertServes() {
        try (var answer = ask("x")) {
            answer.awaitAccepted();
            var events = answer.iterator();
            RelayEvent last = events.next();
            while (events.hasNext()) {
                last = events.next();
            }
            assertEquals(FinishReason.STOP, ((GenerationEvent.Finished) last).reason());
        }
    }

    private static void assertWrong(Map<String, String> environment, String message) {
        var vertx = Vertx.vertx();
        try {
            assertEquals(
                    message,
                    assertThrows(
                                    SettingsException.class,
                                    () -> Engines.start(settings(environment), vertx, new WorkerStats()))
                            .getMessage());
        } finally {
            vertx.close();
        }
    }

    @Test
    void whatCannotWorkIsRefusedAtTheStart() {
        assertWrong(
                Map.of("ENGINE_COMMAND", "true {port}", "ENGINE_BASE_URL", "http://a"),
                "ENGINE_COMMAND and ENGINE_BASE_URL are both set; unset one of them");
        assertWrong(
                Map.of("ENGINE_COMMAND", "true {port}", "ENGINE", "mock"),
                "ENGINE_COMMAND is set, which needs ENGINE=openai");
        assertWrong(
                Map.of("ENGINE_COMMAND", "true {port}", "ENGINE", "djl"),
                "ENGINE_COMMAND is set, which needs ENGINE=openai");
        assertWrong(
                Map.of("ENGINE_COMMAND", "true 80"),
                "ENGINE_COMMAND lacks {port}, the port at which the server must listen, as in --port {port}");
        assertWrong(
                Map.of("ENGINE_COMMAND", "true {port} {model}"),
                "ENGINE_COMMAND names {model}, and MODEL is not set; set MODEL");
        for (var unset : List.of("", "auto")) {
            assertWrong(
                    Map.of("ENGINE_COMMAND", "true {port} {context}", "MAX_MODEL_LEN", unset),
                    "ENGINE_COMMAND names {context}, and MAX_MODEL_LEN is not set; set MAX_MODEL_LEN");
        }
        assertWrong(
                Map.of("ENGINE_COMMAND", "true {port} {contxt}"),
                "ENGINE_COMMAND has the placeholder {contxt}, which does not exist;"
                        + " there are {model}, {model_path}, {port}, {context}");
        assertWrong(Map.of("ENGINE_COMMAND", "true '{port}"), "ENGINE_COMMAND has a ' that is not closed");
        assertWrong(
                Map.of("ENGINE_COMMAND", "no-such-server {port}"),
                "ENGINE_COMMAND needs the program no-such-server, which is not on this machine's PATH or cannot be executed");
        assertWrong(
                Map.of("ENGINE_COMMAND", "./pom.xml {port}"),
                "ENGINE_COMMAND needs the program ./pom.xml, which is not on this machine or cannot be executed");
        assertWrong(
                Map.of("ENGINE_COMMAND", "true {port}", "ENGINE_HEALTH_PATH", "none", "ENGINE_MODEL", "m"),
                "ENGINE_HEALTH_PATH is none, and ENGINE_COMMAND needs a health check");
    }

    @Test
    void aServerGetsItsWordsAndNoneOfTheWorkersSettingsAndIsStopped() throws Exception {
        var model = Files.writeString(folder.resolve("a model.gguf"), "GGUF");
        start(
                LONG,
                LONG,
                Map.of(
                        "MODEL", model.toString(),
                        "MAX_MODEL_LEN", "512",
                        "API_KEYS", "secret",
                        "PORT", "1234",
                        "HF_TOKEN", "token"),
                server.command("'{model_path}'", "--c={context}", "'a \"b'", "$HOME", "{model}"));
        assertInstanceOf(Readiness.Loading.class, generator().readiness());
        awaitReady();
        assertServes();
        var one = server.servers().getFirst();
        assertEquals(
                "pid=" + one.pid() + " argv=[\"--port\", \"" + one.port() + "\", \"--started\", \"" + server.record()
                        + "\", \"" + model + "\", \"--c=512\", \"a \\\"b\", \"$HOME\", \"" + model
                        + "\"] env=HF_TOKEN,PATH",
                generator().modelId().orElseThrow());
        generator().close();
        server.awaitGone();
        assertEquals(1, server.servers().size());
        assertInstanceOf(Readiness.Failed.class, generator().readiness());
    }

    @Test
    void aServerThatIsKilledIsStartedAgainAndItsAnswerEndsWithAnError() throws Exception {
        start("forks");
        awaitReady();
        try (var running = ask("wait")) {
            running.awaitAccepted();
            var events = running.iterator();
            assertInstanceOf(RelayEvent.Chunk.class, events.next());
            var before = server.all();
            server.servers().getFirst().kill();
            var end = assertInstanceOf(GenerationEvent.Finished.class, events.next());
            assertEquals(FinishReason.ERROR, end.reason());
            assertEquals("the engine's server ended its answer too early", end.failure());
            awaitServers(2);
            // Its own processes ended before it was started again.
            assertTrue(before.stream().noneMatch(FaultyServer.Started::isAlive), before::toString);
        }
        awaitReady();
        assertServes();
        assertNotEquals(
                server.servers().getFirst().port(), server.servers().getLast().port());
        assertTrue(generator()
                .modelId()
                .orElseThrow()
                .startsWith("pid=" + server.servers().getLast().pid()));
        assertEquals(
                1,
                log.with("the engine's server was killed by signal 9; it is started again in ")
                        .size());
    }

    @Test
    void whileItStartsAgainRequestsAreRefusedAsWhileLoading() throws Exception {
        var healthy = folder.resolve("healthy");
        start("slow=" + healthy);
        awaitServers(1);
        assertEquals(
                RefusedException.Reason.LOADING,
                assertThrows(RefusedException.class, () -> ask("x")).reason());
        Files.createFile(healthy);
        awaitReady();
        Files.delete(healthy);
        server.servers().getFirst().kill();
        awaitServers(2);
        assertEquals(
                RefusedException.Reason.LOADING,
                assertThrows(RefusedException.class, () -> ask("x")).reason());
        assertInstanceOf(Readiness.Loading.class, generator().readiness());
        // What it served is still known.
        assertTrue(generator().modelId().isPresent());
        Files.createFile(healthy);
        awaitReady();
        assertServes();
    }

    @Test
    void aServerThatIsNotReadyInTimeIsStartedAgain() throws Exception {
        var healthy = folder.resolve("healthy");
        // A machine may be so busy that several servers are not ready in time.
        mostStarts = 100;
        start(Duration.ofSeconds(2), LONG, Map.of(), server.command("slow=" + healthy));
        awaitServers(2);
        Files.createFile(healthy);
        awaitReady();
        assertFalse(log.with("the engine's server was not ready after 2 s; it is started again")
                .isEmpty());
    }

    @Test
    void aServerThatHangsIsKilledAndStartedAgain() throws Exception {
        // Longer than two health checks, also on a busy machine.
        start(LONG, Duration.ofSeconds(6), Map.of(), server.command());
        awaitReady();
        // It cannot even end at SIGTERM.
        var first = server.servers().getFirst();
        first.signal("STOP");
        awaitServers(2);
        assertFalse(first.isAlive());
        awaitReady();
        assertServes();
        assertFalse(log.with("the engine's server hangs: it passed no health check and sent nothing for 6 s")
                .isEmpty());
    }

    @Test
    void aDownloadOfTheModelEndsWithTheWorker() throws Exception {
        try (var hub = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            var environment = Map.of(
                    "MODEL",
                    "org/name",
                    "HF_ENDPOINT",
                    "http://127.0.0.1:" + hub.getLocalPort(),
                    "CACHE_DIR",
                    folder.toString(),
                    "HF_HUB_CACHE",
                    folder.toString());
            start(LONG, LONG, environment, server.command("{model_path}"));
            try (var _ = hub.accept()) {
                assertInstanceOf(Readiness.Loading.class, generator().readiness());
                assertTimeoutPreemptively(Duration.ofSeconds(60), generator()::close);
            }
        }
        assertEquals(List.of(), server.all());
        assertTrue(log.with("cannot be started").isEmpty());
    }

    @Test
    void aServerThatKeepsEndingFailsUntilItServes() throws Exception {
        var memory = folder.resolve("memory");
        start("crash=" + memory);
        Await.until("it has failed", () -> generator().readiness() instanceof Readiness.Failed);
        assertEquals(
                RefusedException.Reason.FAILED,
                assertThrows(RefusedException.class, () -> ask("x")).reason());
        var said = "nothing can be served, /ping answers 503 and the worker exits in 600 s:"
                + " the engine's server keeps ending: it ended with status 3";
        Await.until("it says so", () -> log.with(said).size() == 1);
        assertTrue(log.with("engine: MemoryError: no memory for the weights").size() >= 3);
        Files.createFile(memory);
        awaitReady();
        assertServes();
        Await.until("it says so", () -> log.with("the engine serves again").size() == 1);
        // It would end the process if it had not been called off.
        exitTime.countDown();
        server.servers().getLast().kill();
        awaitReady();
        assertEquals(1, log.with(said).size());
        assertTrue(exits.isEmpty(), exits::toString);
    }

    @Test
    void aServerThatEndsByItselfHasFailedToo() throws Exception {
        start("leave");
        Await.until("it has failed", () -> generator().readiness() instanceof Readiness.Failed);
        exitTime.countDown();
        assertEquals("the engine's server keeps ending: it ended with status 0", exits.take());
    }

    @Test
    void aModelThatIsNotThereFailsForGood() throws Exception {
        start(LONG, LONG, Map.of("MODEL", "/no/such.gguf"), server.command("{model_path}"));
        Await.until("it has failed", () -> generator().readiness() instanceof Readiness.Failed);
        exitTime.countDown();
        assertEquals("the engine's server cannot be started: MODEL=/no/such.gguf: no such file", exits.take());
        assertEquals(List.of(), server.all());
    }

    @Test
    void aStubbornServerAndItsProcessesAreKilledAtTheEnd() throws Exception {
        start("stubborn", "forks");
        awaitReady();
        assertEquals(3, server.all().size());
        generator().close();
        assertTrue(server.all().stream().noneMatch(FaultyServer.Started::isAlive), server.all()::toString);
    }

    @Test
    void aFloodOfOutputDelaysNothing() throws Exception {
        start("flood");
        awaitReady();
        assertServes();
        var lines = log.with("engine: ").size();
        assertTrue(lines >= 200 && lines < 2000, lines + " lines");
        assertEquals(
                1,
                log.with("engine: loading 7").stream()
                        .filter(line -> line.endsWith(" 7"))
                        .count());
    }
}
