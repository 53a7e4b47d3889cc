package dev.llmworker.testing;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.llmworker.assembly.Engines;
import dev.llmworker.generation.Readiness;
import dev.llmworker.remote.RemoteGenerator;
import dev.llmworker.settings.Settings;
import dev.llmworker.stats.WorkerStats;
import io.vertx.core.Vertx;
import java.util.HashMap;
import java.util.Map;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/// A worker in front of scripted servers, as `ENGINE=openai` makes it.
public final class RemoteWorker implements AutoCloseable {
    public final RunningWorker worker;
    public final RemoteGenerator generator;
    private final Vertx vertx = Vertx.vertx();

    /// Waits until it is ready.
    public static RemoteWorker before(ScriptedServer... servers) throws Exception {
        var worker = new RemoteWorker(Map.of(), servers);
        worker.awaitReady();
        return worker;
    }

    public RemoteWorker(Map<String, String> environment, ScriptedServer... servers) throws Exception {
        var variables = new HashMap<>(Map.of("ENGINE", "openai"));
        variables.put(
                "ENGINE_BASE_URL", Stream.of(servers).map(ScriptedServer::url).collect(Collectors.joining(",")));
        variables.putAll(environment);
        var stats = new WorkerStats();
        generator = (RemoteGenerator) Engines.start(Settings.read(variables), vertx, stats);
        worker = new RunningWorker(generator, environment, stats);
    }

    public void awaitReady() {
        Await.until("the engine is ready", () -> generator.readiness() instanceof Readiness.Ready);
    }

    /// Gives the worker the chance to read from the server and from its clients.
    public void turnEventLoops() {
        EventLoops.turn(vertx);
        EventLoops.turn(worker.port().vertx());
    }

    /// Whatever happened, nothing is left of it.
    public void assertIdle() {
        Await.until(
                "nothing runs: " + generator.outstanding(),
                () -> worker.stats.runningGenerations() == 0
                        && generator.outstanding().stream().allMatch(number -> number == 0));
        assertEquals(0, worker.stats.runningGenerations());
    }

    @Override
    public void close() {
        worker.close();
        vertx.close().toCompletionStage().toCompletableFuture().join();
    }
}
