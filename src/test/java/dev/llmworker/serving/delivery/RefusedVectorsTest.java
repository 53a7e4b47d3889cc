package dev.llmworker.serving.delivery;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.llmworker.generation.RefusedException;
import dev.llmworker.generation.Task;
import dev.llmworker.serving.memory.MemoryBudget;
import dev.llmworker.serving.wire.RequestException;
import dev.llmworker.stats.WorkerStats;
import dev.llmworker.testing.VectorModel;
import dev.llmworker.testing.WorkerExtension;
import java.time.Duration;
import java.util.List;
import java.util.stream.IntStream;
import org.apache.camel.Exchange;
import org.apache.camel.impl.DefaultCamelContext;
import org.apache.camel.support.DefaultExchange;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/// What a refused request for vectors leaves behind. A step with `patience` repeats it in the same exchange.
@Timeout(120)
class RefusedVectorsTest {
    /// Its drain and its limits of keys are used.
    @RegisterExtension
    static final WorkerExtension worker = WorkerExtension.mock();

    private final MemoryBudget budget = new MemoryBudget(1 << 20);
    private final Exchange exchange = new DefaultExchange(new DefaultCamelContext());

    @ParameterizedTest
    @EnumSource(names = "GENERATE", mode = EnumSource.Mode.EXCLUDE)
    void aRefusedAttemptHoldsNoMemory(Task task) {
        var model = new VectorModel(task, false, false, 0);
        try (var generator = model.start(task, Duration.ofMinutes(1), 0)) {
            var generations = new Generations(
                    generator,
                    worker.port().drain(),
                    new WorkerStats(),
                    budget,
                    worker.port().rates());
            var vectors = new TextVectors(
                    generator, generations, new PromptTokens(generator, generations, Duration.ofMinutes(1)));
            // Nothing runs yet, so the queue is full from now on.
            var others = IntStream.range(0, VectorModel.SLOTS)
                    .mapToObj(_ -> generator.vectors(List.of(new int[] {'a'})))
                    .toList();
            for (var attempt = 0; attempt < 5; attempt++) {
                var refused = assertThrows(RefusedException.class, () -> ask(vectors, task, "a"));
                assertEquals("queue_full", refused.code());
                assertEquals(0, budget.usedBytes());
            }
            // Nothing is encoded for a full queue: it would be seen that the text is too long.
            assertThrows(RefusedException.class, () -> ask(vectors, task, "a".repeat(2 * VectorModel.CONTEXT)));
            model.permits.release(1_000_000);
            others.forEach(other -> other.forEach(_ -> {}));
            assertThrows(RequestException.class, () -> ask(vectors, task, "a".repeat(2 * VectorModel.CONTEXT)));
            assertEquals(0, budget.usedBytes());
            ask(vectors, task, "a");
            assertTrue(budget.usedBytes() > 0);
        }
    }

    private void ask(TextVectors vectors, Task task, String text) {
        var model = vectors.model(task);
        if (task == Task.EMBED) {
            vectors.embeddings(model, List.of(new TextVectors.Text("input", text)), model.dimensions(), exchange);
        } else {
            vectors.ranking(model, TextVectors.INSTRUCTION, "q", "documents", List.of(text), exchange);
        }
    }
}
