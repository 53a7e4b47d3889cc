package dev.llmworker.model;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.llmworker.weights.TensorType;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// Sequences that are copied between slots, and that share the decoder by turns.
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

    /// Keys lie in blocks of 256 positions.
    @ParameterizedTest
    @ValueSource(ints = {70, 256, 300})
    void aCopiedSlotGoesOnLikeTheOriginal(int length) throws Exception {
        try (var decoder = tiny.load(directory, FLOAT32)) {
            var prompt = random.ints(length, 0, 192).toArray();
            decoder.prefill(2, prompt, 0);
            decoder.copySlot(2, 0, prompt.length);
            var copy = decoder.decodeLogits(new int[] {5}, new int[] {prompt.length});
            decoder.prefill(0, prompt, 0);
            assertArrayEquals(decoder.decodeLogits(new int[] {5}, new int[] {prompt.length}), copy);
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {70, 256, 300})
    void swappedSlotsGoOnInEachOthersPlace(int length) throws Exception {
        try (var decoder = tiny.load(directory, FLOAT32)) {
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
    @ValueSource(ints = {70, 256, 300})
    void aCopiedPrefixIsContinuedByAnotherPrompt(int length) throws Exception {
        try (var decoder = tiny.load(directory, FLOAT32)) {
            var prompt = random.ints(length, 0, 192).toArray();
            var other = prompt.clone();
            Arrays.setAll(other, i -> i < length - 30 ? prompt[i] : 191 - prompt[i]);
            decoder.prefill(0, prompt, 0);
            decoder.copySlot(0, 1, length - 30);
            var reused = decoder.prefillLogits(1, Arrays.copyOfRange(other, length - 30, length), length - 30);
            assertArrayEquals(decoder.prefillLogits(2, other, 0), reused, 2e-4f);
        }
    }

    /// In the default mode a sequence alone is decoded in a cache of its own.
    @ParameterizedTest
    @ValueSource(ints = {5, 245})
    void aSequenceKeepsItsPastWhenOthersComeAndGo(int start) throws Exception {
        var options = new DecoderOptions(Precision.FP32, Precision.BF16, 3, 320, 1, "cpu", false);
        try (var decoder = tiny.load(directory, options)) {
            var ids = random.ints(start + 25, 0, 192).toArray();
            var naive = new NaiveLlama(tiny);
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
                var expected = naive.logits(Arrays.copyOf(ids, at + 1));
                for (var token = 0; token < 192; token++) {
                    assertEquals(expected[token], logits[token], 0.1, "position " + at + ", token " + token);
                }
            }
        }
    }
}
