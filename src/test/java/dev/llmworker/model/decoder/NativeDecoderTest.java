package dev.llmworker.model.decoder;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.llmworker.model.DecoderOptions;
import dev.llmworker.model.Kernels;
import dev.llmworker.model.device.Precision;
import dev.llmworker.sampling.LogitAdjustment;
import dev.llmworker.sampling.Logprobs;
import dev.llmworker.sampling.SamplingParameters;
import dev.llmworker.sampling.TokenHistory;
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
import java.util.Map;
import java.util.Objects;
import java.util.OptionalInt;
import java.util.Random;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/// The operators in C++ against plain loops, and against themselves: a row's bits depend on its own sequence alone.
@Concurrent
class NativeDecoderTest {
    /// Activations are rounded to 16 bits.
    private static final double FLOAT32_CACHE_TOLERANCE = 3e-4;
    /// Those of some matrices are rounded to 8 bits: to 1/127 of the largest of 32. On average that is off by 0.2 %
    /// of it. The bound is 1.5 times the largest deviation of logits with 12 seeds of each type below. That was
    /// 2.4e-2, with Q4_1.
    private static final double COARSE_TOLERANCE = 3.6e-2;
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

    @ParameterizedTest
    @EnumSource
    void everyFormatIsExact(TensorType type) throws Exception {
        var seed = 211 + type.ordinal();
        var tiny = TinyLlama.of(type, new Random(seed));
        try (var decoder = tiny.load(directory, options(Precision.FP32, 1))) {
            DecoderFormatsTest.assertPrefillAndDecode(tiny, decoder, tolerance(type), "seed " + seed);
        }
    }

    @ParameterizedTest
    @EnumSource(mode = EnumSource.Mode.MATCH_NONE, names = BESIDE_THEM)
    void soAreRowsThatFillNoPanel(TensorType type) throws Exception {
        var seed = 223 + type.ordinal();
        var tiny = new TinyLlama(type, 96, 203, false, new Random(seed));
        try (var decoder = tiny.load(directory, options(Precision.FP32, 2))) {
            DecoderFormatsTest.assertPrefillAndDecode(tiny, decoder, tolerance(type), "seed " + seed);
        }
    }

    @ParameterizedTest
    @EnumSource(names = {"AUTO", "FP16"})
    void aCacheOf16BitsIsClose(Precision cache) throws Exception {
        var tiny = TinyLlama.of(TensorType.Q8_0, new Random(227));
        try (var decoder = tiny.load(directory, options(cache, 1))) {
            DecoderFormatsTest.assertPrefillAndDecode(tiny, decoder, FLOAT16_CACHE_TOLERANCE, "seed 227");
        }
    }

    @ParameterizedTest
    @EnumSource(names = {"Q4_0", "Q4_1", "Q4_K", "Q5_0", "Q5_1", "Q5_K", "Q6_K", "Q2_K"})
    void soAreActivationsOf8Bits(TensorType type) throws Exception {
        var seed = 233 + type.ordinal();
        var tiny = TinyLlama.of(type, new Random(seed));
        var prompt = new Random(seed).ints(40, 0, tiny.vocabulary).toArray();
        float[] coarse;
        try (var decoder = tiny.load(directory, options(Precision.FP16, 1))) {
            DecoderFormatsTest.assertPrefillAndDecode(tiny, decoder, COARSE_TOLERANCE, "seed " + seed);
            coarse = decoder.prefillLogits(0, prompt, 0);
        }
        try (var decoder = tiny.load(directory, options(Precision.FP32, 1))) {
            var fine = decoder.prefillLogits(0, prompt, 0);
            var differences = IntStream.range(0, fine.length).mapToDouble(i -> Math.abs(fine[i] - coarse[i]));
            assertTrue(differences.max().orElseThrow() > FLOAT16_CACHE_TOLERANCE, "activations have 16 bits");
        }
    }

    @ParameterizedTest
    @EnumSource(names = {"F32", "F16", "BF16", "Q4_0", "Q4_1", "Q8_0", "Q5_1", "Q5_K", "Q6_K", "Q2_K", "Q3_K", "MXFP4"})
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
            // Kernels take rows in tiles, which have other sizes with other numbers of rows.
            for (var rows = 21; rows >= 3; rows--) {
                var last = Arrays.copyOfRange(prompt, PROMPT_TOKENS - rows, PROMPT_TOKENS);
                assertArrayEquals(whole, decoder.prefillLogits(1, last, PROMPT_TOKENS - rows), 0, seed + ", " + rows);
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

    /// Greedy, sampled, and with penalties and log-probabilities; two sequences, of which the second has no drafts.
    @ParameterizedTest
    @ValueSource(ints = {0, 1, 2})
    void aDraftsTokenIsThatOfAStepOfItsOwn(int kind) throws Exception {
        var random = new Random(251 + kind);
        var tiny = TinyLlama.of(TensorType.Q4_1, random);
        var prompt = random.ints(PROMPT_TOKENS - 1, 0, tiny.vocabulary).toArray();
        var drafts = random.ints(15, 0, tiny.vocabulary).toArray();
        var penalties = new LogitAdjustment(1.3f, 0.2f, 0.1f, Map.of(3, 1f));
        var sampling = kind == 0
                ? SamplingParameters.greedy()
                : new SamplingParameters(
                        1, 0, 0.9f, 0, 5, kind == 1 ? LogitAdjustment.NONE : penalties, OptionalInt.of(kind));
        try (var decoder = tiny.load(directory, options(Precision.AUTO, 2))) {
            for (var slot = 0; slot < 3; slot++) {
                decoder.prefill(slot, prompt, 0);
            }
            var history = kind == 0 ? null : new TokenHistory(prompt, 4, new int[] {1, 2});
            var batch = new DecodeBatch(2, drafts.length);
            batch.add(7, prompt.length, sampling, history == null ? null : history.with(new int[] {7}, 1));
            for (var i = 0; i < drafts.length; i++) {
                var before = IntStream.concat(IntStream.of(7), Arrays.stream(drafts, 0, i + 1))
                        .toArray();
                batch.addDraft(drafts[i], history == null ? null : history.with(before, before.length));
            }
            batch.add(8, prompt.length, SamplingParameters.greedy());
            var together = decoder.decode(batch, 1);
            var scores = IntStream.range(0, 16)
                    .mapToObj(row -> batch.logprobs(0, row))
                    .toList();

            decoder.swapSlots(0, 2, CONTEXT);
            var alone = new DecodeBatch(2);
            for (var i = 0; i <= drafts.length; i++) {
                var token = i == 0 ? 7 : drafts[i - 1];
                if (history != null) {
                    history.add(token);
                }
                alone.clear();
                alone.add(token, prompt.length + i, sampling, history);
                assertEquals(together[i], decoder.decode(alone, 1)[0], "draft " + i);
                assertSame(scores.get(i), alone.logprobs(0, 0), "draft " + i);
            }
            // What the cache holds of the drafts does not matter when the sequence goes on otherwise.
            decoder.swapSlots(0, 2, CONTEXT);
            alone.clear();
            alone.add(7, prompt.length, SamplingParameters.greedy());
            alone.add(8, prompt.length, SamplingParameters.greedy());
            assertEquals(together[16], decoder.decode(alone, 1)[1]);
            var after = decoder.decodeLogits(new int[] {9, 9}, new int[] {prompt.length + 1, prompt.length + 1});
            decoder.prefill(3, prompt, 0);
            decoder.prefill(3, new int[] {7}, prompt.length);
            var fresh = decoder.prefillLogits(3, new int[] {9}, prompt.length + 1);
            assertArrayEquals(fresh, Arrays.copyOf(after, tiny.vocabulary), 0);
        }
    }

    private static void assertSame(@Nullable Logprobs expected, @Nullable Logprobs found, String what) {
        if (expected == null || found == null) {
            assertEquals(expected, found, what);
            return;
        }
        assertEquals(expected.chosen(), found.chosen(), what);
        assertArrayEquals(expected.ids(), found.ids(), what);
        assertArrayEquals(expected.likeliest(), found.likeliest(), what);
    }

    @Test
    void draftsAreForgottenByLayersThatKeepTheLastPositionsAlone() throws Exception {
        var golden = GoldenModel.named("Gemma 3").withContext(1000);
        var file = golden.file().write(directory.resolve("windows.gguf"));
        var options = new DecoderOptions(Precision.AUTO, Precision.FP32, 2, 1000, 2, "cpu", false, Kernels.NATIVE);
        var random = new Random(257);
        try (var model = Gguf.open(file);
                var decoder = TorchDecoder.load(model, options, _ -> {})) {
            assertEquals(15, decoder.mostDrafts());
            var vocabulary = decoder.description().vocabularySize();
            // A ring of 256 positions is filled while the drafts come.
            var prompt = random.ints(240, 0, vocabulary).toArray();
            var sampling = new SamplingParameters(1, 0, 1, 0, 11);
            var expected = new int[100];
            var token = decoder.prefillLast(0, prompt, 0, sampling);
            var batch = new DecodeBatch(1, 15);
            for (var i = 0; i < expected.length; i++) {
                batch.clear();
                batch.add(token, prompt.length + i, sampling);
                token = expected[i] = decoder.decode(batch, 1)[0];
            }
            token = decoder.prefillLast(0, prompt, 0, sampling);
            for (var i = 0; i < expected.length; ) {
                batch.clear();
                batch.add(token, prompt.length + i, sampling);
                var drafts = new int[15];
                var right = random.nextInt(6);
                for (var j = 0; j < 15; j++) {
                    var isRight = j < right && i + j < expected.length;
                    drafts[j] = isRight ? expected[i + j] : random.nextInt(vocabulary);
                    batch.addDraft(drafts[j], null);
                }
                var tokens = decoder.decode(batch, 1);
                for (var j = 0; j < 16 && i < expected.length; j++) {
                    token = tokens[j];
                    assertEquals(expected[i], token, "token " + i);
                    i++;
                    if (j == 15 || drafts[j] != token) {
                        break;
                    }
                }
                decoder.cut(0, prompt.length + i);
            }
            assertTrue(decoder.reusable(0, 300) > 0, "nothing can go on from the sequence");
            var copies = Objects.requireNonNull(decoder.copies());
            assertEquals(
                    prompt.length + expected.length, copies.states(0).getFirst().position());
            // All drafts are right, and a stop sequence ends the text earlier.
            token = decoder.prefillLast(0, prompt, 0, sampling);
            batch.clear();
            batch.add(token, prompt.length, sampling);
            for (var j = 0; j < 15; j++) {
                batch.addDraft(expected[j], null);
            }
            assertEquals(expected[15], decoder.decode(batch, 1)[15]);
            decoder.cut(0, prompt.length + 5);
            assertEquals(prompt.length + 5, copies.states(0).getFirst().position());
            assertEquals(prompt.length + 5, decoder.reusable(0, 300));
        }
    }

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
            case Q4_K, Q5_K, Q6_K -> FLOAT32_CACHE_TOLERANCE;
            case Q2_K, Q3_K, IQ1_S, IQ1_M, IQ2_XXS, IQ2_XS, IQ2_S, IQ3_XXS, IQ3_S, IQ4_XS -> K_FORMATS_TOLERANCE;
        };
    }

    private static DecoderOptions options(Precision cache, int threads) {
        return new DecoderOptions(Precision.AUTO, cache, 4, CONTEXT, threads, "cpu", false).with(Kernels.NATIVE);
    }
}
