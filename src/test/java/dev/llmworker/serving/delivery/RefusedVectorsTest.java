package dev.llmworker.serving.delivery;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.llmworker.engine.InProcessGenerator;
import dev.llmworker.generation.ModelVectors;
import dev.llmworker.generation.RefusedException;
import dev.llmworker.generation.Share;
import dev.llmworker.generation.Task;
import dev.llmworker.serving.memory.MemoryBudget;
import dev.llmworker.serving.wire.RequestException;
import dev.llmworker.stats.WorkerStats;
import dev.llmworker.testing.VectorModel;
import dev.llmworker.testing.WorkerExtension;
import java.lang.reflect.Proxy;
import java.time.Duration;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicInteger;
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
            var vectors = vectors(generator);
            // Nothing runs yet, so the queue is full from now on.
            var others = IntStream.range(0, VectorModel.SLOTS)
                    .mapToObj(_ -> generator.vectors(List.of(new int[] {'a'}), Share.NONE))
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

    private TextVectors vectors(InProcessGenerator generator) {
        var generations = new Generations(
                generator,
                worker.port().drain(),
                new WorkerStats(),
                budget,
                worker.port().rates());
        return new TextVectors(generator, generations, new PromptTokens(generator, generations, Duration.ofMinutes(1)));
    }

    private void ask(TextVectors vectors, Task task, String text) {
        var model = vectors.model(task);
        if (task == Task.EMBED) {
            vectors.embeddings(model, List.of(new TextVectors.Text("input", text)), model.dimensions(), exchange);
        } else {
            vectors.ranking(model, TextVectors.INSTRUCTION, "q", "documents", List.of(text), exchange);
        }
    }

    /// Few long texts may wait to be encoded, so a request of many must not wait anew for each of its own.
    @ParameterizedTest
    @EnumSource(names = "GENERATE", mode = EnumSource.Mode.EXCLUDE)
    void allTextsOfARequestAreEncodedInOneTask(Task task) {
        var model = VectorModel.of(task);
        try (var generator = model.start(task)) {
            var tasks = new AtomicInteger();
            var counting = (ModelVectors) Proxy.newProxyInstance(
                    ModelVectors.class.getClassLoader(),
                    new Class<?>[] {ModelVectors.class},
                    (_, method, arguments) -> {
                        if (Future.class.isAssignableFrom(method.getReturnType())) {
                            tasks.incrementAndGet();
                        }
                        return method.invoke(generator, arguments);
                    });
            var vectors = vectors(generator);
            var texts = Collections.nCopies(50, "a");
            if (task == Task.EMBED) {
                var inputs = texts.stream()
                        .<TextVectors.Input>map(text -> new TextVectors.Text("input", text))
                        .toList();
                assertEquals(
                        50,
                        vectors.embeddings(counting, inputs, 1, exchange)
                                .vectors()
                                .size());
            } else {
                var ranking = vectors.ranking(counting, TextVectors.INSTRUCTION, "q", "documents", texts, exchange);
                assertEquals(50, ranking.scores().size());
            }
            assertEquals(1, tasks.get());
        }
    }
}
