package dev.llmworker.model.decoder;

import dev.llmworker.sampling.Logprobs;
import dev.llmworker.sampling.TokenHistory;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.DoubleStream;
import java.util.stream.LongStream;
import org.jspecify.annotations.Nullable;

/// Penalties, biases, forbidden tokens and log-probabilities of a batch. It makes the program's arguments from the
/// batch, and stores the program's report in the batch.
final class LogitProcessing {
    /// @param adjusted rows [m] that have penalties or a bias
    /// @param factors repetition, then presence, then frequency penalties: 3 · m
    /// @param places tokens of prompt and answer, tokens of the answer, biased tokens, forbidden tokens; then for
    ///     each forbidden token, for how many steps
    /// @param bias of the biased tokens
    /// @param bounded rows [k] that may only take some tokens
    /// @param allowed for each of these rows a bit for each token, the lowest first
    /// @param top how many of the likeliest tokens are reported; -1: only the chosen one, and no log-probability
    record Arguments(
            long[] adjusted,
            double[] factors,
            long[][] places,
            double[] bias,
            long[] bounded,
            List<MemorySegment> allowed,
            int vocabulary,
            int top) {}

    private final DecodeBatch batch;
    private final int vocabulary;
    private final int top;
    private final LongStream.Builder adjusted = LongStream.builder();
    private final DoubleStream.Builder repetition = DoubleStream.builder();
    private final DoubleStream.Builder presence = DoubleStream.builder();
    private final DoubleStream.Builder frequency = DoubleStream.builder();
    private final LongStream.Builder known = LongStream.builder();
    private final LongStream.Builder generated = LongStream.builder();
    private final LongStream.Builder biased = LongStream.builder();
    private final DoubleStream.Builder bias = DoubleStream.builder();
    private final LongStream.Builder forbidden = LongStream.builder();
    private final LongStream.Builder forbiddenSteps = LongStream.builder();
    private final LongStream.Builder bounded = LongStream.builder();
    private final List<MemorySegment> allowed = new ArrayList<>();

    LogitProcessing(DecodeBatch batch, int vocabulary) {
        this.batch = batch;
        this.vocabulary = vocabulary;
        var adjustedRows = 0;
        var most = -1;
        for (var row = 0; row < batch.rows(); row++) {
            most = Math.max(most, batch.sampling(row).logprobs().orElse(-1));
            var history = batch.history(row);
            if (history == null) {
                continue;
            }
            forbid(row, history);
            bound(row, history.allowed());
            if (!batch.sampling(row).adjustment().isNone()) {
                adjust(row, (long) vocabulary * adjustedRows++, history);
            }
        }
        top = Math.min(most, vocabulary);
    }

    private void forbid(int row, TokenHistory history) {
        if (history.forbiddenSteps() > 0) {
            for (var token : history.endTokens()) {
                forbidden.add((long) vocabulary * row + token);
                forbiddenSteps.add(history.forbiddenSteps());
            }
        }
    }

    private void bound(int row, long @Nullable [] tokens) {
        if (tokens == null) {
            return;
        }
        var bits = ByteBuffer.allocateDirect(tokens.length * Long.BYTES).order(ByteOrder.LITTLE_ENDIAN);
        bits.asLongBuffer().put(tokens);
        bounded.add(row);
        allowed.add(MemorySegment.ofBuffer(bits));
    }

    private void adjust(int row, long start, TokenHistory history) {
        var adjustment = batch.sampling(row).adjustment();
        adjusted.add(row);
        repetition.add(adjustment.repetitionPenalty());
        presence.add(adjustment.presencePenalty());
        frequency.add(adjustment.frequencyPenalty());
        for (var position = 0; position < history.length(); position++) {
            known.add(start + history.token(position));
            if (position >= history.promptLength()) {
                generated.add(start + history.token(position));
            }
        }
        adjustment.bias().forEach((token, value) -> {
            biased.add(start + token);
            bias.add(value);
        });
    }

    Arguments arguments() {
        var factors = DoubleStream.concat(repetition.build(), DoubleStream.concat(presence.build(), frequency.build()));
        return new Arguments(
                adjusted.build().toArray(),
                factors.toArray(),
                new long[][] {
                    known.build().toArray(),
                    generated.build().toArray(),
                    biased.build().toArray(),
                    forbidden.build().toArray(),
                    forbiddenSteps.build().toArray()
                },
                bias.build().toArray(),
                bounded.build().toArray(),
                allowed,
                vocabulary,
                top);
    }

    /// Stores the log-probabilities in the batch.
    ///
    /// @param report by step and row: the token; if some row wants them, its log-probability, the likeliest tokens,
    ///     theirs
    /// @return the tokens by step, then by row
    int[] read(float[] report) {
        var width = top < 0 ? 1 : 2 + 2 * top;
        var tokens = new int[report.length / width];
        var found = new @Nullable Logprobs[tokens.length];
        for (var i = 0; i < tokens.length; i++) {
            var at = i * width;
            tokens[i] = (int) report[at];
            var wanted = batch.sampling(i % batch.rows()).logprobs();
            if (wanted.isPresent()) {
                found[i] = logprobs(report, at, Math.min(wanted.getAsInt(), top));
            }
        }
        batch.logprobs(found);
        return tokens;
    }

    private Logprobs logprobs(float[] report, int at, int count) {
        var ids = new int[count];
        var likeliest = new float[count];
        for (var rank = 0; rank < count; rank++) {
            ids[rank] = (int) report[at + 2 + rank];
            likeliest[rank] = report[at + 2 + top + rank];
        }
        return new Logprobs(report[at + 1], ids, likeliest);
    }
}
