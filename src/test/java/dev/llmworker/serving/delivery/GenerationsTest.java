package dev.llmworker.serving.delivery;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.llmworker.generation.FinishReason;
import dev.llmworker.generation.Generation;
import dev.llmworker.generation.GenerationEvent;
import dev.llmworker.generation.GenerationRequest;
import dev.llmworker.generation.Generator;
import dev.llmworker.generation.Prompt;
import dev.llmworker.generation.Readiness;
import dev.llmworker.generation.RefusedException;
import dev.llmworker.sampling.SamplingParameters;
import dev.llmworker.serving.connection.Client;
import dev.llmworker.stats.WorkerStats;
import dev.llmworker.testing.WorkerExtension;
import java.util.Iterator;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.concurrent.atomic.AtomicInteger;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/// What is left of an answer that has ended.
class GenerationsTest {
    private static final RefusedException REFUSAL =
            new RefusedException(RefusedException.Reason.OVERLOADED, "queue_full", "full");

    /// Its drain and its budget are used.
    @RegisterExtension
    static final WorkerExtension worker = WorkerExtension.mock();

    private final AtomicInteger closed = new AtomicInteger();
    private final WorkerStats stats = new WorkerStats();

    /// Answers by its end, or is refused when it is awaited.
    private final class Answers implements Generator {
        @Nullable
        RefusedException refusal;

        @Override
        public Generation submit(GenerationRequest request) {
            return new Generation() {
                @Override
                public void awaitAccepted() {
                    if (refusal != null) {
                        throw refusal;
                    }
                }

                @Override
                public Iterator<GenerationEvent> iterator() {
                    return List.<GenerationEvent>of(new GenerationEvent.Finished(FinishReason.STOP, 1, 0))
                            .iterator();
                }

                @Override
                public void close() {
                    closed.incrementAndGet();
                }
            };
        }

        @Override
        public Readiness readiness() {
            return new Readiness.Ready();
        }

        @Override
        public Optional<String> modelId() {
            return Optional.empty();
        }

        @Override
        public void close() {}
    }

    @Test
    void whatHasEndedIsNotEndedAgainWhenTheWorkerStops() {
        var engine = new Answers();
        var generations = new Generations(
                engine,
                worker.port().drain(),
                stats,
                worker.port().memory(),
                worker.port().rates());
        var request =
                new GenerationRequest(new Prompt.Raw("x"), OptionalInt.empty(), SamplingParameters.greedy(), false);
        var caller = new Caller(Client.Nobody.INSTANCE, "none");
        generations.run(request, caller, _ -> true);
        engine.refusal = REFUSAL;
        assertThrows(RefusedException.class, () -> generations.run(request, caller, _ -> true));
        assertEquals(2, closed.get());
        assertEquals(0, stats.runningGenerations());
        generations.endAll();
        assertEquals(2, closed.get());
    }
}
