package dev.llmworker.model.decoder;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.llmworker.model.DecoderOptions;
import dev.llmworker.model.device.Precision;
import dev.llmworker.sampling.SamplingParameters;
import dev.llmworker.testing.Concurrent;
import dev.llmworker.weights.content.TensorType;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/// What one sequence gives does not depend on the others, on chunks or steps a call.
@Concurrent
class DecoderBatchTest {
    private static final int SLOTS = 20;
    private static final int NEW_TOKENS = 24;
    private static final long SEED = 97;

    /// Ways to load a model in which the figures of a row are the same bits alone and in a batch.
    private enum Exact {
        FLOAT32(TensorType.Q4_1, Precision.FP32, ProgramKind.QUANTISED),
        INT4(TensorType.Q4_0, Precision.AUTO, ProgramKind.QUANTISED),
        INT8(TensorType.Q8_0, Precision.AUTO, ProgramKind.QUANTISED),
        DENSE_FLOAT32(TensorType.Q4_1, Precision.FP32, ProgramKind.DENSE),
        DENSE_BFLOAT16(TensorType.Q4_1, Precision.BF16, ProgramKind.DENSE);

        final TensorType type;
        final Precision precision;
        final ProgramKind program;

        Exact(TensorType type, Precision precision, ProgramKind program) {
            this.type = type;
            this.precision = precision;
            this.program = program;
        }

        TorchDecoder load(Path directory) throws Exception {
            var options = new DecoderOptions(precision, Precision.AUTO, SLOTS, 192, 1, "cpu", true);
            return TinyLlama.of(type, new Random(SEED)).load(directory, options, program);
        }
    }

    @TempDir
    private Path directory;

    private final Random random = new Random(SEED);

    @AfterEach
    void printSeed() {
        System.out.println("seed " + SEED);
    }

    @ParameterizedTest
    @EnumSource
    void aBatchGivesEachSequenceTheBitsItGetsAlone(Exact exact) throws Exception {
        try (var decoder = exact.load(directory)) {
            var prompts = prompts();
            var tokens = new int[SLOTS];
            var positions = new int[SLOTS];
            for (var slot = 0; slot < SLOTS; slot++) {
                decoder.prefill(slot, prompts[slot], 0);
                tokens[slot] = random.nextInt(192);
                positions[slot] = prompts[slot].length;
            }
            var batch = decoder.decodeLogits(tokens, positions);
            for (var row = 0; row < SLOTS; row++) {
                decoder.prefill(0, prompts[row], 0);
                var alone = decoder.decodeLogits(new int[] {tokens[row]}, new int[] {positions[row]});
                assertArrayEquals(alone, Arrays.copyOfRange(batch, row * 192, (row + 1) * 192), 0, "row " + row);
            }
        }
    }

    @ParameterizedTest
    @EnumSource
    void mixedSamplersInABatchGiveTheTokensOfSingleRuns(Exact exact) throws Exception {
        try (var decoder = exact.load(directory)) {
            var prompts = prompts();
            var alone = new int[SLOTS][];
            for (var row = 0; row < SLOTS; row++) {
                var first = decoder.prefillLast(0, prompts[row], 0, sampling(row));
                alone[row] = decode(decoder, first, prompts[row].length, sampling(row), 1);
            }
            var firsts = new int[SLOTS];
            var batch = new DecodeBatch(SLOTS);
            for (var row = 0; row < SLOTS; row++) {
                firsts[row] = decoder.prefillLast(row, prompts[row], 0, sampling(row));
                batch.add(firsts[row], prompts[row].length, sampling(row));
            }
            var together = decoder.decode(batch, NEW_TOKENS);
            for (var row = 0; row < SLOTS; row++) {
                var tokens = new int[NEW_TOKENS];
                for (var step = 0; step < NEW_TOKENS; step++) {
                    tokens[step] = together[step * SLOTS + row];
                }
                assertArrayEquals(alone[row], tokens, "row " + row + " with " + sampling(row));
            }
        }
    }

    @ParameterizedTest
    @EnumSource(names = {"FLOAT32", "DENSE_FLOAT32"})
    void severalStepsACallGiveTheTokensOfSingleSteps(Exact exact) throws Exception {
        try (var decoder = exact.load(directory)) {
            var prompt = prompts()[3];
            var sampling = new SamplingParameters(0.9f, 0, 1, 0, 5);
            var first = decoder.prefillLast(0, prompt, 0, sampling);
            var single = decode(decoder, first, prompt.length, sampling, 1);
            assertArrayEquals(single, decode(decoder, first, prompt.length, sampling, 4));
            assertArrayEquals(single, decode(decoder, first, prompt.length, sampling, NEW_TOKENS));
        }
    }

    @ParameterizedTest
    @EnumSource(names = {"FLOAT32", "DENSE_FLOAT32"})
    void chunksOfAPromptGiveTheLogitsOfTheWhole(Exact exact) throws Exception {
        try (var decoder = exact.load(directory)) {
            var prompt = random.ints(100, 0, 192).toArray();
            var whole = decoder.prefillLogits(0, prompt, 0);
            for (var chunk : new int[] {1, 7, 32, 64}) {
                var start = 0;
                while (start + chunk < prompt.length) {
                    decoder.prefill(1, Arrays.copyOfRange(prompt, start, start + chunk), start);
                    start += chunk;
                }
                var last = Arrays.copyOfRange(prompt, start, prompt.length);
                assertArrayEquals(whole, decoder.prefillLogits(1, last, start), 2e-4f, "chunks of " + chunk);
            }
        }
    }

    /// What the scheduler's grid relies on: the same chunks fill any slot with the same bits, beside other work too.
    @ParameterizedTest
    @EnumSource
    void theSameChunksGiveTheSameBitsInAnySlotAndAfterACopiedPrefix(Exact exact) throws Exception {
        try (var decoder = exact.load(directory)) {
            var prompt = random.ints(180, 0, 192).toArray();
            var begin = Arrays.copyOf(prompt, 128);
            var rest = Arrays.copyOfRange(prompt, 128, 180);
            decoder.prefill(0, begin, 0);
            var whole = decoder.prefillLogits(0, rest, 128);
            decoder.prefill(7, begin, 0);
            decoder.decodeLogits(new int[] {3, 4}, new int[] {180, 9});
            decoder.prefill(8, Arrays.copyOf(prompt, 30), 0);
            assertArrayEquals(
                    whole, decoder.prefillLogits(7, rest, 128), 0, "in another slot, with other work between");
            decoder.copySlot(7, 12, 128);
            assertArrayEquals(whole, decoder.prefillLogits(12, rest, 128), 0, "after a copied prefix");
            decoder.swapSlots(12, 2, 180);
            assertArrayEquals(whole, decoder.prefillLogits(2, rest, 128), 0, "after a prefix that was moved");
        }
    }

    @ParameterizedTest
    @EnumSource(names = {"FLOAT32", "DENSE_FLOAT32"})
    void theSameSeedGivesTheSameTokensAndAnotherOneOthers(Exact exact) throws Exception {
        try (var decoder = exact.load(directory)) {
            var prompt = prompts()[0];
            decoder.prefill(0, prompt, 0);
            var once = decode(decoder, 1, prompt.length, new SamplingParameters(1.5f, 0, 1, 0, 1), 1);
            assertArrayEquals(once, decode(decoder, 1, prompt.length, new SamplingParameters(1.5f, 0, 1, 0, 1), 1));
            var other = decode(decoder, 1, prompt.length, new SamplingParameters(1.5f, 0, 1, 0, 2), 1);
            assertNotEquals(Arrays.toString(once), Arrays.toString(other));
        }
    }

    @ParameterizedTest
    @EnumSource(names = {"FLOAT32", "DENSE_FLOAT32"})
    void samplersThatKeepOneTokenAreGreedy(Exact exact) throws Exception {
        try (var decoder = exact.load(directory)) {
            var prompt = prompts()[7];
            decoder.prefill(0, prompt, 0);
            var greedy = decode(decoder, 1, prompt.length, SamplingParameters.greedy(), 1);
            for (var sampling : new SamplingParameters[] {
                new SamplingParameters(2, 1, 1, 0, 3),
                new SamplingParameters(2, 0, 1e-6f, 0, 3),
                new SamplingParameters(2, 0, 1, 1, 3),
                new SamplingParameters(1e-6f, 0, 1, 0, 3)
            }) {
                assertArrayEquals(greedy, decode(decoder, 1, prompt.length, sampling, 1), sampling.toString());
            }
        }
    }

    @Test
    void callsOutsideTheBoundsAreRefusedWithTheBounds() throws Exception {
        try (var decoder = Exact.FLOAT32.load(directory)) {
            assertRefused("token is 192; it must be 0 to 191", () -> decoder.prefill(0, new int[] {192}, 0));
            assertRefused("slot is 20; it must be 0 to 19", () -> decoder.copySlot(0, 20, 1));
            assertRefused(
                    "a chunk of 3 tokens from position 190; it must have 1 or more and end within 192",
                    () -> decoder.prefill(0, new int[3], 190));
            var batch = new DecodeBatch(SLOTS);
            batch.add(0, 190, SamplingParameters.greedy());
            assertRefused(
                    "row 0 decodes 3 tokens from position 190; the context ends at 192",
                    () -> decoder.decode(batch, 3));
        }
    }

    private static void assertRefused(String message, Runnable call) {
        assertEquals(
                message, assertThrows(IllegalArgumentException.class, call::run).getMessage());
    }

    private static SamplingParameters sampling(int row) {
        return switch (row % 5) {
            case 0 -> SamplingParameters.greedy();
            case 1 -> new SamplingParameters(0.8f, 0, 1, 0, row);
            case 2 -> new SamplingParameters(1, 20, 1, 0, row);
            case 3 -> new SamplingParameters(1.2f, 0, 0.9f, 0, row);
            default -> new SamplingParameters(0.7f, 50, 0.95f, 0.02f, row);
        };
    }

    /// Tokens of slot 0 after `first`, so many a call.
    private static int[] decode(TorchDecoder decoder, int first, int position, SamplingParameters sampling, int steps) {
        var tokens = new int[NEW_TOKENS];
        var batch = new DecodeBatch(SLOTS);
        for (var done = 0; done < NEW_TOKENS; done += steps) {
            batch.clear();
            batch.add(done == 0 ? first : tokens[done - 1], position + done, sampling);
            System.arraycopy(decoder.decode(batch, steps), 0, tokens, done, steps);
        }
        return tokens;
    }

    /// Of 3 to 120 tokens, so that a batch has rows of different lengths.
    private int[][] prompts() {
        var prompts = new int[SLOTS][];
        for (var i = 0; i < SLOTS; i++) {
            prompts[i] = random.ints(random.nextInt(3, 121), 0, 192).toArray();
        }
        return prompts;
    }
}
