package dev.llmworker.model;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import org.junit.jupiter.api.Test;

class MemoryTest {
    private static final long GB = 1_000_000_000;
    /// 32,768 bytes a token at 2 bytes a number.
    private static final DecoderShape SHAPE = new DecoderShape(
            "m",
            Architecture.LLAMA,
            16,
            2048,
            32,
            8,
            64,
            8192,
            128_256,
            131_072,
            1e-5f,
            false,
            new Rotation(new double[32], 64, false));

    private final Memory memory = new Memory(16 * GB, 4 * GB, "this machine");

    @Test
    void aCacheThatCannotFitIsRefusedWithTheArithmetic() {
        var refused = assertThrows(IllegalArgumentException.class, () -> memory.contextLength(SHAPE, 32, 16_384, 2));
        assertEquals(
                "the KV cache does not fit: 32 slots × 16384 tokens × 32768 bytes (2 × 16 layers × 8 heads × 64 × 2"
                        + " bytes) are 17.2 GB; this machine has 16.0 GB, of which the weights take 4.0 GB. Fewer slots or"
                        + " a shorter context fit",
                refused.getMessage());
    }

    @Test
    void aContextThatFitsIsTakenAsItIs() {
        assertEquals(8_191, memory.contextLength(SHAPE, 32, 8_191, 2));
    }

    @Test
    void withoutAWishTheContextIsWhatHalfTheFreeMemoryHolds() {
        assertEquals(6 * GB / 32_768 / 8 / 64 * 64, memory.contextLength(SHAPE, 8, 0, 2));
        assertEquals(131_072, memory.contextLength(SHAPE, 1, 0, 2));
    }

    @Test
    void weightsThatCannotFitAreRefused() {
        var small = new Memory(4 * GB, 5 * GB, "the GPU");
        var refused = assertThrows(IllegalArgumentException.class, () -> small.contextLength(SHAPE, 1, 0, 2));
        assertEquals("the weights do not fit: they take 5.0 GB; the GPU has 4.0 GB", refused.getMessage());
    }

    @Test
    void aContextBeyondTheTrainedOneIsRefused() {
        var refused = assertThrows(IllegalArgumentException.class, () -> memory.contextLength(SHAPE, 1, 131_073, 2));
        assertEquals("context length is 131073; the model was trained for 131072", refused.getMessage());
    }
}
