package dev.llmworker.model;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.llmworker.model.MemoryPlan.Layout.Pages;
import dev.llmworker.model.MemoryPlan.Layout.Shares;
import dev.llmworker.model.device.DeviceMemory;
import dev.llmworker.model.device.Precision;
import java.util.ArrayList;
import java.util.Collections;
import org.junit.jupiter.api.Test;

class MemoryPlanTest {
    private static final long GB = 1_000_000_000;
    /// 32,768 bytes a token at 2 bytes a number.
    private static final ModelConfig SHAPE = shape(16, 8, 64, 131_072);

    private static ModelConfig shape(int layers, int kvHeads, int headDim, int contextLength) {
        var rope = new Rope(new double[headDim / 2], 1, false);
        var attention = new Attention(
                kvHeads,
                kvHeads,
                headDim,
                0,
                rope,
                1,
                0,
                null,
                Attention.HeadNorm.NONE,
                false,
                false,
                false,
                false,
                false,
                false,
                false,
                Attention.OWN_KEYS);
        var feedForward = new FeedForward(8192, FeedForward.Activation.SILU, false, null);
        var layer = new Layer(attention, feedForward, Layer.Norms.BEFORE, 1, false);
        return new ModelConfig(
                "m",
                "llama",
                2048,
                128_256,
                contextLength,
                1e-5f,
                1,
                1,
                0,
                false,
                0,
                Collections.nCopies(layers, layer));
    }

    /// 10 GB are left beside weights and work, 5 GB of them for a cache that nobody chose.
    private static MemoryPlan plan(int slots, int contextLength) {
        return plan(15 * GB, 4 * GB, slots, contextLength);
    }

    private static MemoryPlan plan(long available, long weights, int slots, int contextLength) {
        return MemoryPlan.of(
                new DeviceMemory(16 * GB, available, "this machine"),
                new MemoryPlan.Needs(SHAPE, Precision.FP16, weights, GB, _ -> 0, new Shares(0), 0.5, 32),
                slots,
                contextLength);
    }

    private static String refusal(long available, long weights, int slots, int contextLength) {
        return String.valueOf(
                assertThrows(IllegalArgumentException.class, () -> plan(available, weights, slots, contextLength))
                        .getMessage());
    }

    @Test
    void copiesOfEvictedPrefixesTakeAShareOfWhatIsLeftOrWhatIsAskedFor() {
        var plan = plan(32, 4096);
        var left = 10 * GB - plan.cache();
        assertEquals(left / 4, plan.copies(DecoderOptions.COPIES_AS_FIT));
        assertEquals(GB, plan.copies(GB));
        assertEquals(0, plan.copies(0));
        assertEquals(left, plan.copies(Long.MAX_VALUE));
    }

    /// A byte and a 32th of two bytes for each number, where float16 takes two bytes.
    @Test
    void aCacheOf8BitsTakesLittleMoreThanHalf() {
        var needs = new MemoryPlan.Needs(SHAPE, Precision.Q8, 4 * GB, GB, _ -> 0, new Shares(0), 0.5, 32);
        var plan = MemoryPlan.of(new DeviceMemory(16 * GB, 15 * GB, "this machine"), needs, 4, 8192);
        assertEquals(32_768 * 17 / 32, plan.bytesPerToken());
        assertTrue(plan.toString().contains("2 × 16 layers × 8 heads × (64 + 4) bytes"), plan.toString());
        var shape = shape(2, 3, 40, 1000);
        assertEquals(2 * 2 * 3 * (40 + 4), shape.cacheBytesPerToken(1000, Precision.Q8));
    }

    /// 2^70 bytes in all, which is 0 as a long.
    @Test
    void aCacheWhoseSizeOverflowsIsRefused() {
        var needs = new MemoryPlan.Needs(
                shape(1 << 12, 1 << 18, 4, 1 << 24), Precision.FP32, GB, GB, _ -> 0, new Shares(0), 0.5, 32);
        var memory = new DeviceMemory(16 * GB, 15 * GB, "this machine");
        assertThrows(IllegalArgumentException.class, () -> MemoryPlan.of(memory, needs, 1024, 1 << 24));
    }

    @Test
    void aCacheThatCannotFitIsRefusedWithTheArithmeticAndWhatWouldFit() {
        assertEquals(
                "the KV cache does not fit: 32 slots × 16384 tokens × 32768 bytes (2 × 16 layers × 8 heads × 64 × 2"
                        + " bytes) are 17.2 GB; this machine has 16.0 GB, of which 15.0 GB are available; the weights take"
                        + " 4.0 GB, and loading and running them 1.0 GB. MAX_SLOTS=18 would fit, or MAX_MODEL_LEN=9536",
                refusal(15 * GB, 4 * GB, 32, 16_384));
        // What it names does fit.
        assertEquals(16_384, plan(18, 16_384).contextLength());
        assertEquals(32, plan(32, 9_536).slots());
        assertThrows(IllegalArgumentException.class, () -> plan(19, 16_384));
        assertThrows(IllegalArgumentException.class, () -> plan(32, 9_600));
    }

    @Test
    void whatFitsIsNamedForOneSlotToo() {
        assertEquals(
                "MAX_MODEL_LEN=30464 would fit",
                refusal(6 * GB, 4 * GB, 1, 131_072).replaceFirst(".*\\. ", ""));
        assertEquals(
                "MAX_SLOTS=1 with MAX_MODEL_LEN=64 would fit",
                refusal(5 * GB + 64 * 32_768, 4 * GB, 8, 131_072).replaceFirst(".*\\. ", ""));
        assertEquals(
                "A smaller model, or one in fewer bits, would fit",
                refusal(5 * GB + 32_768, 4 * GB, 0, 0).replaceFirst(".*\\. ", ""));
    }

    @Test
    void whatWasChosenIsTakenAsItIs() {
        var plan = plan(32, 8_191);
        assertEquals(8_191, plan.contextLength());
        assertEquals(32, plan.slots());
        assertEquals(32L * 8_191 * 32_768, plan.cache());
    }

    @Test
    void theContextOfChosenSlotsIsWhatHalfTheRestHolds() {
        assertEquals(5 * GB / 32_768 / 8 / 64 * 64, plan(8, 0).contextLength());
        assertEquals(131_072, plan(1, 0).contextLength());
    }

    @Test
    void theSlotsOfAChosenContextAreWhatHalfTheRestHolds() {
        assertEquals(32, plan(0, 1_024).slots());
        assertEquals(5 * GB / 32_768 / 32_000, plan(0, 32_000).slots());
        assertEquals(1, plan(0, 131_072).slots());
    }

    @Test
    void slotsAreGivenUpBeforeContextsAreShort() {
        assertEquals(32, plan(0, 0).slots());
        assertEquals(4_736, plan(0, 0).contextLength());
        // 1 GB for the cache: 30,517 tokens.
        var tight = plan(7 * GB, 4 * GB, 0, 0);
        assertEquals(7, tight.slots());
        assertEquals(4_352, tight.contextLength());
        // 50 MB: 1,525 tokens.
        var tighter = plan(5 * GB + GB / 10, 4 * GB, 0, 0);
        assertEquals(1, tighter.slots());
        assertEquals(1_472, tighter.contextLength());
    }

    /// Of 11 GB, a token takes 32,768 bytes in each slot and once 1,000,000.
    @Test
    void whatAStepTakesForLongContextsIsPlanned() {
        var memory = new DeviceMemory(16 * GB, 15 * GB, "this machine");
        var needs = new MemoryPlan.Needs(
                SHAPE, Precision.FP16, 3 * GB, GB, length -> 1_000_000 * length, new Shares(0), 0.5, 32);
        var plan = MemoryPlan.of(memory, needs, 4, 0);
        assertEquals((long) (5.5e9 / (4 * 32_768 + 500_000)) / 64 * 64, plan.contextLength());
        assertEquals(GB + 1_000_000L * plan.contextLength(), plan.working());
        assertEquals(9_600, MemoryPlan.of(memory, needs, 4, 9_600).contextLength());
        var refused = assertThrows(IllegalArgumentException.class, () -> MemoryPlan.of(memory, needs, 4, 9_792));
        assertTrue(String.valueOf(refused.getMessage()).endsWith(" or MAX_MODEL_LEN=9664"), refused::toString);
    }

    @Test
    void weightsThatCannotFitAreRefused() {
        assertEquals(
                "the model does not fit: its weights take 5.0 GB, and loading and running them 1.0 GB; this machine has"
                        + " 16.0 GB, of which 5.5 GB are available",
                refusal(5 * GB + GB / 2, 5 * GB, 1, 0));
    }

    @Test
    void aContextBeyondTheTrainedOneIsRefused() {
        assertEquals("MAX_MODEL_LEN is 131073; the model was trained for 131072", refusal(15 * GB, 4 * GB, 1, 131_073));
    }

    /// A GPU's memory: weights of 16 GB and 1 GB for the work leave 63 GB, of which the cache takes nine tenths.
    private static MemoryPlan onGpu(int slots, int contextLength) {
        return MemoryPlan.of(
                new DeviceMemory(85 * GB, 80 * GB, "the GPU"),
                new MemoryPlan.Needs(SHAPE, Precision.FP16, 16 * GB, GB, _ -> 0, new Shares(64), 0.9, 32),
                slots,
                contextLength);
    }

    @Test
    void whatASlotHoldsBesideItsContextCounts() {
        var plan = onGpu(0, 0);
        assertEquals(32, plan.slots());
        assertEquals((63 * GB * 9 / 10 / 32_768 / 32 - 64) / 64 * 64, plan.contextLength());
        assertEquals(32_768L * 32 * (plan.contextLength() + 64), plan.cache());
        assertTrue(plan.cache() <= 63 * GB * 9 / 10, plan::toString);
        assertTrue(
                plan.toString().contains("KV cache: 32 slots × 53952 and 64 spare tokens × 32768 bytes"),
                plan::toString);
        // What is chosen may use all that is left: 1,922,607 tokens with the spare ones.
        assertEquals(128, onGpu(128, 14_912).slots());
        var refused = assertThrows(IllegalArgumentException.class, () -> onGpu(128, 14_976));
        assertTrue(
                String.valueOf(refused.getMessage()).endsWith(". MAX_SLOTS=127 would fit, or MAX_MODEL_LEN=14912"),
                refused::toString);
        assertEquals(127, onGpu(127, 14_976).slots());
    }

    private static MemoryPlan inPages(long available, int slots, int contextLength) {
        return MemoryPlan.of(
                new DeviceMemory(85 * GB, available, "the GPU"),
                new MemoryPlan.Needs(SHAPE, Precision.FP16, 16 * GB, GB, _ -> 0, new Pages(256), 0.9, 128),
                slots,
                contextLength);
    }

    @Test
    void slotsThatSharePagesDoNotDivideTheContext() {
        var plan = inPages(80 * GB, 0, 0);
        assertEquals(128, plan.slots());
        assertEquals(131_072, plan.contextLength());
        assertEquals(63 * GB * 9 / 10 / 32_768 / 256 * 256, plan.tokens());
        assertEquals(32_768L * plan.tokens(), plan.cache());
        assertTrue(
                plan.toString()
                        .contains(
                                "KV cache: 128 slots of up to 131072 tokens, which share 6758 pages of 256, 1730304 tokens"),
                plan::toString);
        // A chosen context changes neither slots nor memory; what all slots can use is enough.
        assertEquals(plan.tokens(), inPages(80 * GB, 0, 65_536).tokens());
        assertEquals(128, inPages(80 * GB, 0, 65_536).slots());
        assertEquals(4 * 1_024 + 256, inPages(80 * GB, 4, 1_000).tokens());
    }

    /// 27,465 tokens, of which nine tenths are for a cache that nobody chose. One page belongs to no slot.
    @Test
    void oneSequenceMustHaveRoomForTheWholeContext() {
        var plan = inPages(17 * GB + 9 * GB / 10, 0, 0);
        assertEquals(24, plan.slots());
        assertEquals((96 - 1) * 256, plan.contextLength());
        assertEquals(96 * 256, plan.tokens());
        assertEquals(
                27_136 - 256, inPages(17 * GB + 9 * GB / 10, 3, 27_136 - 256).contextLength());
        var refused =
                assertThrows(IllegalArgumentException.class, () -> inPages(17 * GB + 9 * GB / 10, 3, 27_000 + 200));
        assertTrue(String.valueOf(refused.getMessage()).endsWith(" MAX_MODEL_LEN=27136 would fit"), refused::toString);
    }

    private static MemoryPlan planOfKinds(int slots, int contextLength) {
        return planOfKinds(slots, contextLength, Attention.OWN_KEYS);
    }

    /// Of six layers, three have a window of 512 and two are recurrent.
    ///
    /// @param keysOfThird of the third one with a window
    private static MemoryPlan planOfKinds(int slots, int contextLength, int keysOfThird) {
        var rope = new Rope(new double[32], 1, false);
        var layers = new ArrayList<Layer>();
        for (var window : new int[] {512, 512, 512, 0}) {
            var keysOf = layers.size() == 2 ? keysOfThird : Attention.OWN_KEYS;
            var attention = new Attention(
                    8,
                    8,
                    64,
                    window,
                    rope,
                    1,
                    0,
                    null,
                    Attention.HeadNorm.NONE,
                    false,
                    false,
                    false,
                    false,
                    false,
                    false,
                    false,
                    keysOf);
            layers.add(new Layer(attention, SHAPE.layers().getFirst().feedForward(), Layer.Norms.BEFORE, 1, false));
        }
        for (var i = 0; i < 2; i++) {
            var delta = new DeltaNet(16, 32, 128, 128, 4, false);
            layers.add(new Layer(delta, SHAPE.layers().getFirst().feedForward(), Layer.Norms.BEFORE, 1, false));
        }
        var config = new ModelConfig("m", "m", 2048, 128_256, 131_072, 1e-5f, 1, 1, 0, false, 0, layers);
        return MemoryPlan.of(
                new DeviceMemory(16 * GB, 15 * GB, "this machine"),
                new MemoryPlan.Needs(config, Precision.FP16, 4 * GB, GB, _ -> 0, new Shares(0), 0.5, 32),
                slots,
                contextLength);
    }

    @Test
    void aLayerThatReadsTheKeysOfAnotherTakesNoMemory() {
        var ring = 3 * 768 * 2_048L;
        assertEquals(
                planOfKinds(4, 8_192).cache() - 4 * ring,
                planOfKinds(4, 8_192, 1).cache());
        assertEquals(
                planOfKinds(4, 1_024).cache() - 4 * 1_024 * 2_048L,
                planOfKinds(4, 1_024, 1).cache());
    }

    @Test
    void layersTakeMemoryByTheirKind() {
        var states = 3 * 2 * (32 * 128 * 128 + 3 * 8192) * 4L;
        // A window that is not much shorter than the context keeps all positions.
        assertEquals(4L * (4 * 2_048L * 2_304 + states), planOfKinds(4, 2_304).cache());
        assertEquals(
                4L * (2_048L * 2_368 + 3 * 3 * 768 * 2_048L + states),
                planOfKinds(4, 2_368).cache());
        assertEquals(
                "KV cache: 4 slots × 8192 tokens × 2048 bytes (2 × 1 layers × 8 heads × 64 × 2 bytes), and 4 slots × 27328512 bytes"
                        + " (3 × 3 layers with the last 768 tokens of a window of 512 + 3 × 2 recurrent layers), are 0.18 GB",
                planOfKinds(4, 8_192).toString().replaceFirst("; .*", ""));
        // 5 GB hold 32 slots with what each has anyway, and 64,000 tokens more for each.
        var plan = planOfKinds(0, 0);
        assertEquals(32, plan.slots());
        assertEquals((5 * GB / 32 - 27_328_512) / 2_048 / 64 * 64, plan.contextLength());
    }

    @Test
    void thePlanIsALine() {
        assertEquals(
                "KV cache: 4 slots × 1024 tokens × 32768 bytes (2 × 16 layers × 8 heads × 64 × 2 bytes) are 0.13 GB; this"
                        + " machine has 16.0 GB, of which 15.0 GB are available; the weights take 4.0 GB, and loading and"
                        + " running them 1.0 GB",
                plan(4, 1_024).toString());
    }
}
