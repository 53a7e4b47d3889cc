package dev.llmworker.model.decoder;

import dev.llmworker.sampling.SamplingParameters;

/// The arguments of a decode call of n rows.
///
/// @param integers by row tokens, then positions, then top_k: 3 · n
/// @param numbers by row temperatures, top_p, min_p, then the uniform numbers of each step: (3 + steps) · n
/// @param anySampled whether some row has a temperature above 0
/// @param anyFiltered whether such a row has top_k, top_p or min_p
record DecodeCall(long[] integers, double[] numbers, int steps, boolean anySampled, boolean anyFiltered) {
    private static final long GOLDEN_GAMMA = 0x9E3779B97F4A7C15L;
    /// As many as a float in [0, 1) has without rounding up to 1.
    private static final int RANDOM_BITS = 24;

    static DecodeCall of(DecodeBatch batch, int steps) {
        var rows = batch.rows();
        var integers = new long[3 * rows];
        var numbers = new double[(3 + steps) * rows];
        var anySampled = false;
        var anyFiltered = false;
        for (var row = 0; row < rows; row++) {
            var sampling = batch.sampling(row);
            integers[row] = batch.token(row);
            integers[rows + row] = batch.position(row);
            integers[2 * rows + row] = sampling.topK();
            numbers[row] = sampling.temperature();
            numbers[rows + row] = sampling.topP();
            numbers[2 * rows + row] = sampling.minP();
            for (var step = 0; step < steps; step++) {
                numbers[(3 + step) * rows + row] = uniform(sampling.seed(), batch.position(row) + step);
            }
            anySampled |= !sampling.isGreedy();
            anyFiltered |= filters(sampling);
        }
        return new DecodeCall(integers, numbers, steps, anySampled, anyFiltered);
    }

    static boolean filters(SamplingParameters sampling) {
        return !sampling.isGreedy() && (sampling.topK() > 0 || sampling.topP() < 1 || sampling.minP() > 0);
    }

    /// A random number from 0 to 1, exclusive, for the token that follows `position` in a sequence of this seed.
    /// It depends on these two only. A sequence's tokens therefore do not depend on what is decoded beside it, or
    /// on how many steps a call makes.
    static double uniform(long seed, int position) {
        return (mix(mix(seed) + (position + 1) * GOLDEN_GAMMA) >>> (Long.SIZE - RANDOM_BITS)) * 0x1p-24;
    }

    /// The finaliser of SplitMix64 (Steele, Lea, Flood 2014): every bit of the argument changes half of the
    /// result's.
    private static long mix(long z) {
        z = (z ^ (z >>> 30)) * 0xBF58476D1CE4E5B9L;
        z = (z ^ (z >>> 27)) * 0x94D049BB133111EBL;
        return z ^ (z >>> 31);
    }
}
