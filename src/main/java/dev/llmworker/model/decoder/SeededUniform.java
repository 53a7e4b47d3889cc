package dev.llmworker.model.decoder;

/// Stateless random numbers for sampling. They depend on the seed and the position only. A sequence's tokens
/// therefore do not depend on what is decoded beside it, or on how many steps a call makes.
final class SeededUniform {
    private static final long GOLDEN_GAMMA = 0x9E3779B97F4A7C15L;
    /// As many as a float in [0, 1) has without rounding up to 1.
    private static final int BITS = 24;

    private SeededUniform() {}

    /// A number from 0 to 1, exclusive, for the token that follows `position` in a sequence of this seed.
    static double of(long seed, int position) {
        return (mix(mix(seed) + (position + 1) * GOLDEN_GAMMA) >>> (Long.SIZE - BITS)) * 0x1p-24;
    }

    /// The finaliser of SplitMix64 (Steele, Lea, Flood 2014): every bit of the argument changes half of the
    /// result's.
    private static long mix(long z) {
        z = (z ^ (z >>> 30)) * 0xBF58476D1CE4E5B9L;
        z = (z ^ (z >>> 27)) * 0x94D049BB133111EBL;
        return z ^ (z >>> 31);
    }
}
