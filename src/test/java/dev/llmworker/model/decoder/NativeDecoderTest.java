package dev.llmworker.model.decoder;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.llmworker.model.DecoderOptions;
import dev.llmworker.model.Kernels;
import dev.llmworker.model.device.Precision;
import dev.llmworker.sampling.SamplingParameters;
import dev.llmworker.testing.Concurrent;
import dev.llmworker.weights.Gguf;
import dev.llmworker.weights.content.ModelFileException;
import dev.llmworker.weights.content.TensorType;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/// The operators in C++ against plain loops, and against themselves: a row's bits depend on its own sequence alone.
class NativeDecoderTest {
    /// Activations are rounded to 16 bits.
    private static final double FLOAT32_CACHE_TOLERANCE = 3e-4;
    /// A scale or offset that is a product of two of the file's numbers is rounded to float16.
    private static final double K_FORMATS_TOLERANCE = 4e-3;
    /// Keys and values rounded to the 11 bits of float16.
    private static final double FLOAT16_CACHE_TOLERANCE = 2e-3;
    /// Past a piece of attention, 256 positions, and no multiple of anything.
    private static final int PROMPT_TOKENS = 301;

    private static final int CONTEXT = 320;

    /// Types that are read and held as others are that are tried here.
    private static final String BESIDE_THEM = "IQ[123].*|TQ.*";

    @TempDir
    private Path directory;

    @BeforeEach
    void needsTheLibrary() throws InterruptedException {
        MachineNeeds.nativeLibrary();
    }

    @Concurrent
    @ParameterizedTest
    @EnumSource
    void everyFormatIsExact(TensorType type) throws Exception {
        var seed = 211 + type.ordinal();
        var tiny = TinyLlama.of(type, new Random(seed));
        try (var decoder = tiny.load(directory, options(Precision.FP32, 1))) {
            DecoderFormatsTest.assertPrefillAndDecode(tiny, decoder, tolerance(type), "seed " + seed);
        }
    }

    @Concurrent
    @ParameterizedTest
    @EnumSource(mode = EnumSource.Mode.MATCH_NONE, names = BESIDE_THEM)
    void soAreRowsThatFillNoPanel(TensorType type) throws Exception {
        var seed = 223 + type.ordinal();
        var tiny = new TinyLlama(type, 96, 203, false, new Random(seed));
        try (var decoder = tiny.load(directory, options(Precision.FP32, 2))) {
            DecoderFormatsTest.assertPrefillAndDecode(tiny, decoder, tolerance(type), "seed " + seed);
        }
    }

    @Concurrent
    @ParameterizedTest
    @EnumSource(names = {"AUTO", "FP16"})
    void aCacheOf16BitsIsClose(Precision cache) throws Exception {
        var tiny = TinyLlama.of(TensorType.Q4_1, new Random(227));
        try (var decoder = tiny.load(directory, options(cache, 1))) {
            DecoderFormatsTest.assertPrefillAndDecode(tiny, decoder, FLOAT16_CACHE_TOLERANCE, "seed 227");
        }
    }

    @Concurrent
    @ParameterizedTest
    @EnumSource(names = {"F32", "F16", "BF16", "Q4_0", "Q4_1", "Q8_0", "Q5_1", "Q6_K", "Q2_K", "Q3_K", "MXFP4"})
    void aRowsBitsDependOnItsOwnSequenceAlone(TensorType type) throws Exception {
        var seed = 229 + type.ordinal();
        var random = new Random(seed);
        var tiny = TinyLlama.of(type, random);
        var prompt = random.ints(PROMPT_TOKENS, 0, tiny.vocabulary).toArray();
        try (var decoder = tiny.load(directory, options(Precision.AUTO, 3))) {
            var whole = decoder.prefillLogits(0, prompt, 0);
            for (var cut : new int[] {1, 2, 77, 256, 300}) {
                decoder.prefill(1, Arrays.copyOf(prompt, cut), 0);
                var rest = Arrays.copyOfRange(prompt, cut, prompt.length);
                assertArrayEquals(whole, decoder.prefillLogits(1, rest, cut), 0, "seed " + seed + ", cut at " + cut);
            }
            decoder.copySlot(1, 3, PROMPT_TOKENS);
            decoder.swapSlots(0, 2, PROMPT_TOKENS);
            decoder.moveSlot(2, 1, PROMPT_TOKENS);
            decoder.moveSlot(1, 2, PROMPT_TOKENS);
            decoder.copySlot(2, 1, PROMPT_TOKENS);
            decoder.prefill(2, new int[] {3, 1}, 0);
            decoder.prefill(0, Arrays.copyOf(prompt, 9), 0);
            var last = prompt[PROMPT_TOKENS - 1];
            var rows = decoder.decodeLogits(
                    new int[] {5, last, 7, last}, new int[] {9, PROMPT_TOKENS - 1, 4, PROMPT_TOKENS - 1});
            var width = tiny.vocabulary;
            assertArrayEquals(whole, Arrays.copyOfRange(rows, width, 2 * width), 0, "seed " + seed + ", a step's row");
            assertArrayEquals(whole, Arrays.copyOfRange(rows, 3 * width, 4 * width), 0, "seed " + seed + ", a copy's");
        }
    }

    @Concurrent
    @Test
    void partsOfPromptsBesideAStepFillTheCacheAsAlone() throws Exception {
        var random = new Random(233);
        var tiny = TinyLlama.of(TensorType.Q4_1, random);
        var prompt = random.ints(PROMPT_TOKENS, 0, tiny.vocabulary).toArray();
        try (var decoder = tiny.load(directory, options(Precision.AUTO, 2))) {
            var whole = decoder.prefillLogits(3, prompt, 0);
            decoder.prefill(0, new int[] {1, 2, 3}, 0);
            var batch = new DecodeBatch(1);
            batch.add(4, 3, SamplingParameters.greedy());
            var alone = decoder.decode(batch, 1);
            var beside = decoder.decodeBeside(
                    batch,
                    List.of(new PromptPart(1, Arrays.copyOf(prompt, 100), 0), new PromptPart(2, new int[] {9, 9}, 0)));
            assertArrayEquals(alone, beside);
            var rest = Arrays.copyOfRange(prompt, 100, prompt.length);
            assertArrayEquals(whole, decoder.prefillLogits(1, rest, 100), 0);
        }
    }

    @Concurrent
    @ParameterizedTest
    @EnumSource(mode = EnumSource.Mode.MATCH_NONE, names = "IQ[123].*|TQ2_0")
    void aHeadThatIsTheEmbeddingLooksTokensUpToTheBit(TensorType type) throws Exception {
        var seed = 241 + type.ordinal();
        var tied = new TinyLlama(type, 96, 203, false, new Random(seed));
        var prompt = new Random(seed).ints(40, 0, tied.vocabulary).toArray();
        float[] expected;
        try (var decoder = tied.load(directory, options(Precision.AUTO, 2))) {
            expected = decoder.prefillLogits(0, prompt, 0);
        }
        // The same rows again as a head of its own, so that the embedding is one too.
        var file = directory.resolve("tiny.gguf");
        byte[] rows;
        try (var model = Gguf.open(file)) {
            rows = model.tensor("token_embd.weight").data().toArray(ValueLayout.JAVA_BYTE);
        }
        tied.file.tensor("output.weight", type, rows, TinyLlama.HIDDEN, tied.vocabulary);
        try (var decoder = tied.load(directory, options(Precision.AUTO, 2))) {
            assertArrayEquals(expected, decoder.prefillLogits(0, prompt, 0), 0, "seed " + seed);
        }
    }

    @Concurrent
    @ParameterizedTest
    @EnumSource(names = {"Q4_0", "Q4_1", "Q8_0"})
    void aScaleThatIsNotANumberIsRefusedByTensorAndBlock(TensorType type) {
        var tiny = new TinyLlama(type, 128, 192, false, new Random(251));
        var blocks = ByteBuffer.allocate(192 * TinyLlama.HIDDEN / type.blockElements() * type.blockBytes())
                .order(ByteOrder.LITTLE_ENDIAN);
        blocks.putShort(77 * type.blockBytes(), (short) 0x7E00);
        tiny.file.tensor("output.weight", type, blocks.array(), TinyLlama.HIDDEN, 192);
        var refused = assertThrows(ModelFileException.class, () -> tiny.load(directory, options(Precision.AUTO, 1)));
        assertEquals(
                "tiny.gguf: tensor output.weight has a scale of NaN in block 77; expected finite numbers",
                refused.getMessage());
    }

    @Concurrent
    @ParameterizedTest
    @EnumSource(names = {"Q4_0", "Q4_1", "Q8_0"})
    void soIsOneOfAnEmbeddingBesideAHead(TensorType type) {
        var tiny = TinyLlama.of(type, new Random(257));
        var blocks = ByteBuffer.allocate(192 * TinyLlama.HIDDEN / type.blockElements() * type.blockBytes())
                .order(ByteOrder.LITTLE_ENDIAN);
        blocks.putShort(77 * type.blockBytes(), (short) 0x7E00);
        tiny.file.replace("token_embd.weight", type, blocks.array(), TinyLlama.HIDDEN, 192);
        for (var program : ProgramKind.values()) {
            var options = new DecoderOptions(
                    program == ProgramKind.DENSE ? Precision.FP32 : Precision.AUTO,
                    Precision.FP32,
                    1,
                    64,
                    1,
                    "cpu",
                    false);
            var refused = assertThrows(ModelFileException.class, () -> tiny.load(directory, options, program));
            assertEquals(
                    "tiny.gguf: tensor token_embd.weight has a scale of NaN in block 77; expected finite numbers",
                    refused.getMessage());
        }
    }

    @Concurrent
    @Test
    void whatItCannotRunIsRefusedWhereItIsAskedForAndDecodedWithoutElsewhere() throws Exception {
        var tiny = TinyLlama.of(TensorType.Q4_1, new Random(239));
        var float32 = new DecoderOptions(Precision.FP32, Precision.AUTO, 1, 64, 1, "cpu", false);
        var refused =
                assertThrows(IllegalArgumentException.class, () -> tiny.load(directory, float32.with(Kernels.NATIVE)));
        assertEquals(
                "KERNELS is native, which cannot be: it takes weights as they are stored (DTYPE=auto)",
                refused.getMessage());
        try (var decoder = tiny.load(directory, float32)) {
            assertEquals("fp32 (Q4_1)", decoder.description().weightFormat());
        }
    }

    private static double tolerance(TensorType type) {
        return switch (type) {
            case F32, F16, BF16, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, MXFP4, IQ4_NL, TQ1_0, TQ2_0 -> FLOAT32_CACHE_TOLERANCE;
            case Q2_K, Q3_K, Q4_K, Q5_K, Q6_K, IQ1_S, IQ1_M, IQ2_XXS, IQ2_XS, IQ2_S, IQ3_XXS, IQ3_S, IQ4_XS ->
                K_FORMATS_TOLERANCE;
        };
    }

    private static DecoderOptions options(Precision cache, int threads) {
        return new DecoderOptions(Precision.AUTO, cache, 4, CONTEXT, threads, "cpu", false).with(Kernels.NATIVE);
    }
}
