package dev.llmworker.generation;

/// How many prompt tokens a step may take beside running sequences, from what steps and chunks took lately.
///
/// A chunk's time does not grow in proportion to its tokens, so each size has a figure of its own. The largest whose
/// time is at most [#SHARE] of a decode step's is taken: a running sequence then never waits for more than one and a
/// half steps' time, or for the smallest chunk, which is always taken so that prompts move.
///
/// Threading: the engine thread alone.
final class PrefillPace {
    /// Smaller chunks cost as much: what the weights' way through the caches takes.
    static final int LEAST_TOKENS = 16;
    /// Larger chunks are hardly faster by the token.
    static final int MOST_TOKENS = 128;
    /// Of a decode step's time.
    static final double SHARE = 0.5;

    private static final int SIZES =
            Integer.numberOfTrailingZeros(MOST_TOKENS) - Integer.numberOfTrailingZeros(LEAST_TOKENS) + 1;
    private static final double WEIGHT_OF_NEWEST = 0.25;
    /// A size that looked too slow once is tried again in the end, whatever made it slow.
    private static final double FORGETTING = 0.99;

    private double stepNanos;
    private final double[] chunkNanos = new double[SIZES];

    void stepTook(long nanos) {
        stepNanos = average(stepNanos, nanos);
    }

    /// Counts chunks of the sizes that are chosen; the last ones of prompts have others.
    void chunkTook(int tokens, long nanos) {
        if (Integer.bitCount(tokens) == 1 && tokens >= LEAST_TOKENS && tokens <= MOST_TOKENS) {
            int size = Integer.numberOfTrailingZeros(tokens / LEAST_TOKENS);
            chunkNanos[size] = average(chunkNanos[size], nanos);
        }
    }

    /// Prompt tokens for one step.
    int tokens() {
        int chosen = 0;
        for (int size = 1; size < SIZES; size++) {
            if (estimate(size) <= SHARE * stepNanos) {
                chosen = size;
            } else {
                chunkNanos[size] *= FORGETTING;
            }
        }
        return LEAST_TOKENS << chosen;
    }

    /// A size that was never run is taken for twice as slow as half of it.
    private double estimate(int size) {
        if (chunkNanos[size] > 0) {
            return chunkNanos[size];
        }
        return size == 0 ? Double.POSITIVE_INFINITY : 2 * estimate(size - 1);
    }

    private static double average(double before, long newest) {
        return before == 0 ? newest : before + WEIGHT_OF_NEWEST * (newest - before);
    }
}
