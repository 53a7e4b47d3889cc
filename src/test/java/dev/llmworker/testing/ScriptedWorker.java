package dev.llmworker.testing;

import dev.llmworker.engine.InProcessGenerator;
import dev.llmworker.engine.LanguageModel;
import dev.llmworker.generation.Generator;
import dev.llmworker.stats.WorkerStats;
import java.time.Duration;
import java.util.Map;
import java.util.concurrent.CompletableFuture;

/// A worker whose model says what its client tells it to: see [ScriptedModel]. Client libraries are tried against it.
///
/// usage: `java -cp target/test-classes:target/classes:target/lib/* dev.llmworker.testing.ScriptedWorker PORT`
public final class ScriptedWorker {
    private static final Duration TIMEOUT = Duration.ofMinutes(1);

    private ScriptedWorker() {}

    /// The engine with the scripted model.
    public static Generator generator(WorkerStats stats) {
        var loaded = new CompletableFuture<LanguageModel>();
        var generator = InProcessGenerator.start(
                ScriptedModel::load,
                new InProcessGenerator.Limits(null, TIMEOUT),
                System::nanoTime,
                stats.engine(),
                loaded::complete);
        loaded.join();
        return generator;
    }

    public static void main(String[] arguments) throws Exception {
        var stats = new WorkerStats();
        var worker = new RunningWorker(generator(stats), Map.of("PORT", arguments[0]), stats);
        System.out.println("serving on port " + worker.port().port());
    }
}
