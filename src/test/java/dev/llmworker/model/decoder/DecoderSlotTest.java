package dev.llmworker.model.decoder;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.llmworker.model.DecoderOptions;
import dev.llmworker.model.device.Precision;
import dev.llmworker.sampling.SamplingParameters;
import dev.llmworker.testing.Concurrent;
import dev.llmworker.weights.content.TensorType;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/// Sequences that are copied between slots, and that share the decoder by turns.
@Concurrent
class DecoderSlotTest {
    private static final long SEED = 131;
    private static final DecoderOptions FLOAT32 =
            new DecoderOptions(Precision.FP32, Precision.AUTO, 3, 320, 1, "cpu", false);

    @TempDir
    private Path directory;

    private final Random random = new Random(SEED);
    private final TinyLlama tiny = TinyLlama.of(TensorType.Q8_0, random);

    @AfterEach
    void printSeed() {
        System.out.println("seed " + SEED);
    }

    private static Stream<Arguments> programsAndLengths() {
        // decoder.pt has keys in blocks of 256 positions.
        return Stream.of(ProgramKind.QUANTISED, ProgramKind.DENSE)
                .flatMap(program -> Stream.of(70, 256, 300).map(length -> Arguments.of(program, length)));
    }

    @ParameterizedTest
    @MethodSource("programsAndLengths")
    void aCopiedSlotGoesOnLikeTheOriginal(ProgramKind program, int length) throws Exception {
        try (var decoder = tiny.load(directory, FLOAT32, program)) {
            var prompt = random.ints(length, 0, 192).toArray();
            decoder.prefill(2, prompt, 0);
            decoder.copySlot(2, 0, prompt.length);
            var copy = decoder.decodeLogits(new int[] {5}, new int[] {prompt.length});
            decoder.prefill(0, prompt, 0);
            assertArrayEquals(decoder.decodeLogits(new int[] {5}, new int[] {prompt.length}), copy);
        }
    }

    @ParameterizedTest
    @MethodSource("programsAndLengths")
    void swappedSlotsGoOnInEachOthersPlace(ProgramKind program, int length) throws Exception {
        try (var decoder = tiny.load(directory, FLOAT32, program)) {
            var longer = random.ints(length, 0, 192).toArray();
            var shorter = random.ints(33, 0, 192).toArray();
            decoder.prefill(0, longer, 0);
            decoder.prefill(1, shorter, 0);
            var before = decoder.decodeLogits(new int[] {5, 6}, new int[] {length, 33});
            decoder.swapSlots(0, 1, length);
            var after = decoder.decodeLogits(new int[] {6, 5}, new int[] {33, length});
            assertArrayEquals(Arrays.copyOf(before, 192), Arrays.copyOfRange(after, 192, 384), 1e-5f);
            assertArrayEquals(Arrays.copyOfRange(before, 192, 384), Arrays.copyOf(after, 192), 1e-5f);
        }
    }

    @ParameterizedTest
    @MethodSource("programsAndLengths")
    void aCopiedPrefixIsContinuedByAnotherPrompt(ProgramKind program, int length) throws Exception {
        try (var decoder = tiny.load(directory, FLOAT32, program)) {
            var prompt = random.ints(length, 0, 192).toArray();
            var other = prompt.clone();
            Arrays.setAll(other, i -> i < length - 30 ? prompt[i] : 191 - prompt[i]);
            decoder.prefill(0, prompt, 0);
            decoder.copySlot(0, 1, length - 30);
            var reused = decoder.prefillLogits(1, Arrays.copyOfRange(other, length - 30, length), length - 30);
            assertArrayEquals(decoder.prefillLogits(2, other, 0), reused, 2e-4f);
        }
    }

    /// Two prompts, over blocks of keys and in pieces, beside two sequences that decode, one of which was alone
    /// before.
    @ParameterizedTest
    @EnumSource(names = {"QUANTISED", "DENSE"})
    void promptsBesideAStepGiveWhatTheyGiveAlone(ProgramKind program) throws Exception {
        var options = new DecoderOptions(Precision.FP32, Precision.FP32, 5, 320, 1, "cpu", false);
        try (var decoder = tiny.load(directory, options, program)) {
            var first = random.ints(280, 0, 192).toArray();
            var second = random.ints(30, 0, 192).toArray();
            var greedy = SamplingParameters.greedy();
            var running = new int[] {7, 8};
            var alone = new int[][] {continued(decoder, 0, new int[] {7}), continued(decoder, 0, new int[] {8})};
            for (var slot = 0; slot < 2; slot++) {
                decoder.prefill(slot, new int[] {running[slot]}, 0);
            }
            for (var step = 0; step < 7; step++) {
                var batch = new DecodeBatch(5);
                for (var row = 0; row < 2; row++) {
                    batch.add(step == 0 ? 3 : alone[row][step - 1], step + 1, greedy);
                }
                var parts = new ArrayList<PromptPart>();
                parts.add(new PromptPart(3, Arrays.copyOfRange(first, 40 * step, 40 * step + 40), 40 * step));
                if (step < 3) {
                    parts.add(new PromptPart(4, Arrays.copyOfRange(second, 10 * step, 10 * step + 10), 10 * step));
                }
                var tokens = decoder.decodeBeside(batch, parts);
                assertEquals(alone[0][step], tokens[0], "step " + step);
                assertEquals(alone[1][step], tokens[1], "step " + step);
            }
            var besides = decoder.decodeLogits(new int[] {0, 0, 0, 5, 6}, new int[] {0, 0, 0, 280, 30});
            decoder.prefill(0, first, 0);
            decoder.prefill(1, second, 0);
            var whole = decoder.decodeLogits(new int[] {5, 6}, new int[] {280, 30});
            assertArrayEquals(whole, Arrays.copyOfRange(besides, 3 * 192, 5 * 192), 2e-4f);
        }
    }

    /// Seven greedy tokens after a prompt and token 3.
    private static int[] continued(TorchDecoder decoder, int slot, int[] prompt) {
        decoder.prefill(slot, prompt, 0);
        var batch = new DecodeBatch(1);
        batch.add(3, prompt.length, SamplingParameters.greedy());
        return decoder.decode(batch, 7);
    }

    /// In the default mode a sequence alone is decoded in a cache of its own.
    @ParameterizedTest
    @ValueSource(ints = {5, 245})
    void aSequenceKeepsItsPastWhenOthersComeAndGo(int start) throws Exception {
        var options = new DecoderOptions(Precision.FP32, Precision.BF16, 3, 320, 1, "cpu", false);
        try (var decoder = tiny.load(directory, options)) {
            var ids = random.ints(start + 25, 0, 192).toArray();
            var expected = new NaiveLlama(tiny).logitsAfterEach(ids);
            decoder.prefill(0, Arrays.copyOf(ids, start), 0);
            for (var at = start; at < ids.length; at++) {
                // Alone and beside another in turns of three; in between it is copied away and back, and another
                // prompt comes into the slot.
                var rows = at / 3 % 2 == 0 ? 1 : 2;
                if (at % 7 == 0) {
                    decoder.copySlot(0, 2, at);
                    decoder.prefill(0, new int[] {1, 2, 3}, 0);
                    decoder.copySlot(2, 0, at);
                }
                var tokens = rows == 1 ? new int[] {ids[at]} : new int[] {ids[at], 9};
                var positions = rows == 1 ? new int[] {at} : new int[] {at, 0};
                var logits = Arrays.copyOf(decoder.decodeLogits(tokens, positions), 192);
                for (var token = 0; token < 192; token++) {
                    assertEquals(expected[at][token], logits[token], 0.1, "position " + at + ", token " + token);
                }
            }
        }
    }
}
