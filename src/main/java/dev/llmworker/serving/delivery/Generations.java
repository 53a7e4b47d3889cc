package dev.llmworker.serving.delivery;

import dev.llmworker.generation.FinishReason;
import dev.llmworker.generation.Generation;
import dev.llmworker.generation.GenerationEvent;
import dev.llmworker.generation.GenerationRequest;
import dev.llmworker.generation.Generator;
import dev.llmworker.generation.OpenAiRelay;
import dev.llmworker.generation.OpenAiRequest;
import dev.llmworker.generation.RefusedException;
import dev.llmworker.serving.connection.Drain;
import dev.llmworker.serving.wire.RequestException;
import dev.llmworker.serving.wire.RequestLog;
import dev.llmworker.stats.WorkerStats;
import java.util.Locale;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Supplier;

/// Runs generations for clients, and counts them.
///
/// Threading: any thread; [#run] returns when the generation has ended.
public final class Generations {
    private final Generator generator;
    private final Drain drain;
    private final WorkerStats stats;
    private final Set<Generation> running = ConcurrentHashMap.newKeySet();

    /// Who reads a generation.
    public interface Reader {
        /// The generation has begun, and may still be refused; to close it from any thread ends it.
        void began(Generation generation);

        /// The generation is served.
        default void accepted() {}

        /// @return false when nobody reads any more
        boolean token(GenerationEvent.Token token);

        /// As [#token], of a request that is relayed.
        default boolean chunk(GenerationEvent.Chunk chunk) {
            throw new IllegalStateException("only a relayed request is answered by chunks");
        }
    }

    public Generations(Generator generator, Drain drain, WorkerStats stats) {
        this.generator = generator;
        this.drain = drain;
        this.stats = stats;
    }

    /// Ends all that run: their clients are told that the worker stops.
    public void endAll() {
        running.forEach(Generation::close);
    }

    /// Whether [#run] would wait for nothing, and return soon.
    public boolean runAtOnce(GenerationRequest request) {
        return generator.answersAtOnce(request);
    }

    /// Runs one generation to its end, which comes soon where the reader has left.
    ///
    /// @throws RefusedException when it is not accepted
    /// @throws RequestException when the worker stops
    public GenerationEvent.Finished run(GenerationRequest request, Caller caller, Reader reader) {
        return run(() -> generator.submit(request), GenerationMeter.of(request), caller, reader);
    }

    /// As [#run], of a request that another server answers in its own words.
    public GenerationEvent.Finished relay(OpenAiRelay relay, OpenAiRequest request, Caller caller, Reader reader) {
        return run(() -> relay.relay(request), GenerationMeter.of(request), caller, reader);
    }

    private GenerationEvent.Finished run(
            Supplier<Generation> submission, GenerationMeter meter, Caller caller, Reader reader) {
        try (var generation = submit(submission, caller)) {
            begin(generation, caller, reader);
            var ended = meter.failed();
            try {
                reader.accepted();
                var finished = read(generation, reader, meter);
                ended = meter.finished(generation, finished);
                if (finished.reason() == FinishReason.CANCELLED && drain.isTimeUp()) {
                    throw new RequestException(Drain.cut());
                }
                return finished;
            } finally {
                running.remove(generation);
                stats.recordFinished(ended);
                stats.keys().recordFinished(caller.key(), ended.promptTokens(), ended.completionTokens());
                RequestLog.finished(meter.requestId(), caller.route(), caller.key(), ended);
            }
        }
    }

    private void begin(Generation generation, Caller caller, Reader reader) {
        var accepted = false;
        try {
            running.add(generation);
            if (drain.isTimeUp()) {
                generation.close();
            }
            reader.began(generation);
            generation.awaitAccepted();
            accepted = true;
            stats.recordAccepted();
            stats.keys().recordAccepted(caller.key());
        } catch (RefusedException e) {
            stats.recordRefused(e.reason().name().toLowerCase(Locale.ROOT));
            throw e;
        } finally {
            if (!accepted) {
                running.remove(generation);
                stats.recordWithdrawn();
            }
        }
    }

    private Generation submit(Supplier<Generation> submission, Caller caller) {
        if (drain.hasBegun() && !caller.admitted()) {
            throw new RequestException(drain.refusal());
        }
        try {
            var generation = submission.get();
            stats.recordSubmitted();
            return generation;
        } catch (RefusedException e) {
            stats.recordRefused(e.reason().name().toLowerCase(Locale.ROOT));
            throw e;
        }
    }

    private static GenerationEvent.Finished read(Generation generation, Reader reader, GenerationMeter meter) {
        var left = false;
        for (var event : generation) {
            switch (event) {
                case GenerationEvent.Token token -> {
                    meter.token();
                    left = left || !reader.token(token);
                    if (left) {
                        // The engine may be in the middle of a step: what it still emits is read, and counted.
                        generation.close();
                        meter.wasted();
                    }
                }
                case GenerationEvent.Chunk chunk -> {
                    meter.token();
                    left = left || !reader.chunk(chunk);
                    if (left) {
                        generation.close();
                        meter.wasted();
                    }
                }
                case GenerationEvent.Finished finished -> {
                    return finished;
                }
            }
        }
        throw new IllegalStateException("a generation ended without saying why");
    }
}
