package dev.llmworker.model.decoder;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;

import dev.llmworker.model.DecoderOptions;
import dev.llmworker.model.NativeLibrary;
import dev.llmworker.model.device.Libtorch;
import dev.llmworker.model.device.Precision;
import dev.llmworker.sampling.LogitAdjustment;
import dev.llmworker.sampling.SamplingParameters;
import dev.llmworker.sampling.TokenHistory;
import dev.llmworker.testing.Concurrent;
import dev.llmworker.weights.content.TensorType;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Comparator;
import java.util.HashMap;
import java.util.Map;
import java.util.Objects;
import java.util.OptionalInt;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/// Penalties, bias, forbidden ends and log-probabilities, against plain Java over the raw logits.
@Concurrent
class SteeredDecodeTest {
    private static final long SEED = 41;
    private static final int VOCABULARY = 192;
    private static final int STEPS = 16;
    private static final int[] NO_ENDS = {};

    @TempDir
    private Path directory;

    private final Random random = new Random(SEED);

    @AfterEach
    void printSeed() {
        System.out.println("seed " + SEED);
    }

    private TorchDecoder load(ProgramKind program) throws Exception {
        Libtorch.await();
        var weights = program == ProgramKind.NATIVE ? Precision.AUTO : Precision.FP32;
        assertNull(NativeLibrary.problem());
        var options = new DecoderOptions(weights, Precision.FP32, 8, 192, 1, "cpu", true);
        return TinyLlama.of(TensorType.F32, new Random(SEED)).load(directory, options, program);
    }

    private static SamplingParameters greedy(LogitAdjustment adjustment, int logprobs) {
        return new SamplingParameters(
                0, 0, 1, 0, 0, adjustment, logprobs < 0 ? OptionalInt.empty() : OptionalInt.of(logprobs));
    }

    private LogitAdjustment anyAdjustment() {
        var bias = new HashMap<Integer, Float>();
        for (var i = random.nextInt(4); i > 0; i--) {
            bias.put(random.nextInt(VOCABULARY), random.nextFloat(-3, 3));
        }
        return new LogitAdjustment(
                random.nextBoolean() ? 1 : random.nextFloat(0.5f, 2f),
                random.nextBoolean() ? 0 : random.nextFloat(-2, 2),
                random.nextBoolean() ? 0 : random.nextFloat(-2, 2),
                bias);
    }

    /// What a row's next token is by the definition of each penalty.
    private static int expected(float[] raw, LogitAdjustment adjustment, int[] ids, int promptLength) {
        var best = -1;
        var bestLogit = Float.NEGATIVE_INFINITY;
        for (var token = 0; token < raw.length; token++) {
            var id = token;
            var logit = raw[token];
            if (Arrays.stream(ids).anyMatch(known -> known == id)) {
                logit = logit > 0 ? logit / adjustment.repetitionPenalty() : logit * adjustment.repetitionPenalty();
            }
            var count = Arrays.stream(ids, promptLength, ids.length)
                    .filter(known -> known == id)
                    .count();
            logit -= (count > 0 ? adjustment.presencePenalty() : 0) + count * adjustment.frequencyPenalty();
            logit += adjustment.bias().getOrDefault(token, 0f);
            if (logit > bestLogit) {
                best = token;
                bestLogit = logit;
            }
        }
        return best;
    }

    @ParameterizedTest
    @EnumSource(names = {"QUANTISED", "DENSE"})
    void eachRowGetsItsOwnAdjustmentInAnyNumberOfStepsACall(ProgramKind program) throws Exception {
        try (var decoder = load(program)) {
            var rows = 6;
            var prompts = new int[rows][];
            var parameters = new SamplingParameters[rows];
            var tokens = new int[rows][];
            for (var row = 0; row < rows; row++) {
                prompts[row] = random.ints(random.nextInt(2, 40), 0, VOCABULARY).toArray();
                // The first is plain: beside the others it is what it is alone.
                parameters[row] = row == 0 ? SamplingParameters.greedy() : greedy(anyAdjustment(), -1);
                tokens[row] = alone(decoder, prompts[row], parameters[row].adjustment());
            }
            for (var steps : new int[] {1, 4, STEPS}) {
                var batch = new DecodeBatch(rows);
                var newest = new int[rows];
                var histories = new TokenHistory[rows];
                for (var row = 0; row < rows; row++) {
                    var last = prompts[row].length - 1;
                    decoder.prefill(row, Arrays.copyOf(prompts[row], last), 0);
                    newest[row] = prompts[row][last];
                    histories[row] = new TokenHistory(prompts[row], 0, NO_ENDS);
                }
                for (var done = 0; done < STEPS; done += steps) {
                    batch.clear();
                    for (var row = 0; row < rows; row++) {
                        batch.add(
                                newest[row],
                                prompts[row].length - 1 + done,
                                parameters[row],
                                row == 0 ? null : histories[row]);
                    }
                    var found = decoder.decode(batch, steps);
                    for (var i = 0; i < found.length; i++) {
                        var row = i % rows;
                        assertEquals(
                                tokens[row][done + i / rows],
                                found[i],
                                "row " + row + ", " + steps + " steps, " + parameters[row]);
                        newest[row] = found[i];
                        histories[row].add(found[i]);
                    }
                }
            }
        }
    }

    /// One sequence in plain Java over the decoder's raw logits.
    private static int[] alone(TorchDecoder decoder, int[] prompt, LogitAdjustment adjustment) {
        decoder.prefill(0, Arrays.copyOf(prompt, prompt.length - 1), 0);
        var ids = prompt;
        for (var step = 0; step < STEPS; step++) {
            var raw = decoder.decodeLogits(new int[] {ids[ids.length - 1]}, new int[] {ids.length - 1});
            ids = Arrays.copyOf(ids, ids.length + 1);
            ids[ids.length - 1] = expected(raw, adjustment, Arrays.copyOf(ids, ids.length - 1), prompt.length);
        }
        return Arrays.copyOfRange(ids, prompt.length, ids.length);
    }

    @ParameterizedTest
    @EnumSource(names = {"QUANTISED", "DENSE"})
    void logprobsAreThoseOfTheRawLogitsWhateverElseIsDone(ProgramKind program) throws Exception {
        try (var decoder = load(program)) {
            decoder.prefill(0, new int[] {5, 6, 7}, 0);
            decoder.prefill(1, new int[] {5, 6, 7}, 0);
            decoder.prefill(2, new int[] {5, 6, 7}, 0);
            var raw = decoder.decodeLogits(new int[] {9}, new int[] {3});
            var bias = new LogitAdjustment(1, 0, 0, Map.of(17, 50f));
            var batch = new DecodeBatch(3);
            batch.add(
                    9,
                    3,
                    greedy(bias, SamplingParameters.MAX_LOGPROBS),
                    new TokenHistory(new int[] {5, 6, 7, 9}, 0, NO_ENDS));
            batch.add(9, 3, greedy(LogitAdjustment.NONE, 0), new TokenHistory(new int[] {5, 6, 7, 9}, 0, NO_ENDS));
            batch.add(9, 3, SamplingParameters.greedy());
            var tokens = decoder.decode(batch, 1);
            var order = IntStream.range(0, raw.length)
                    .boxed()
                    .sorted(Comparator.comparing(token -> -raw[token]))
                    .mapToInt(token -> token)
                    .toArray();
            assertArrayEquals(new int[] {17, order[0], order[0]}, tokens);
            double sum = 0;
            for (var logit : raw) {
                sum += Math.exp(logit);
            }
            var total = Math.log(sum);
            var biased = Objects.requireNonNull(batch.logprobs(0, 0));
            assertEquals(raw[17] - total, biased.chosen(), 1e-4);
            assertArrayEquals(Arrays.copyOf(order, SamplingParameters.MAX_LOGPROBS), biased.ids());
            for (var rank = 0; rank < SamplingParameters.MAX_LOGPROBS; rank++) {
                assertEquals(raw[order[rank]] - total, biased.likeliest()[rank], 1e-4);
            }
            var plain = Objects.requireNonNull(batch.logprobs(0, 1));
            assertEquals(raw[order[0]] - total, plain.chosen(), 1e-4);
            assertEquals(0, plain.ids().length);
            assertNull(batch.logprobs(0, 2), "it asked for none");
        }
    }

    @ParameterizedTest
    @EnumSource(names = {"QUANTISED", "DENSE"})
    void anEndIsForbiddenForAsManyStepsAsAreLeftAndNoMore(ProgramKind program) throws Exception {
        try (var decoder = load(program)) {
            var prompt = new int[] {1, 2, 3};
            decoder.prefill(0, new int[] {1, 2}, 0);
            // The end is what the model would say each time: a bias makes it so.
            var wantsToEnd = greedy(new LogitAdjustment(1, 0, 0, Map.of(33, 100f)), -1);
            var batch = new DecodeBatch(1);
            batch.add(3, 2, wantsToEnd, new TokenHistory(prompt, 3, new int[] {33}));
            var tokens = decoder.decode(batch, 5);
            assertEquals(
                    3, Arrays.stream(tokens, 0, 3).filter(token -> token != 33).count());
            assertArrayEquals(new int[] {33, 33}, Arrays.copyOfRange(tokens, 3, 5));
        }
    }

    /// Also in a batch with a row that may take any token, whose result stays as it is alone.
    @ParameterizedTest
    @EnumSource
    void aRowTakesOnlyTokensThatItMay(ProgramKind program) throws Exception {
        try (var decoder = load(program)) {
            var prompt = new int[] {1, 2, 3};
            decoder.prefill(0, new int[] {1, 2}, 0);
            decoder.prefill(1, new int[] {1, 2}, 0);
            var raw = decoder.decodeLogits(new int[] {3, 3}, new int[] {2, 2});
            var bounded = new TokenHistory(prompt, 0, NO_ENDS);
            // Tokens without a bit, from 128 on, are not allowed.
            bounded.allow(() -> new long[] {1L << 5 | 1L << 63, 1L << (100 - 64)});
            var batch = new DecodeBatch(2);
            batch.add(3, 2, greedy(LogitAdjustment.NONE, -1), bounded);
            batch.add(3, 2, greedy(LogitAdjustment.NONE, -1));
            var tokens = decoder.decode(batch, 1);
            var best = Arrays.stream(new Integer[] {5, 63, 100})
                    .max(Comparator.comparing(token -> raw[token]))
                    .orElseThrow();
            assertEquals(best, tokens[0]);
            assertEquals(expected(Arrays.copyOf(raw, VOCABULARY), LogitAdjustment.NONE, prompt, 3), tokens[1]);
        }
    }
}
