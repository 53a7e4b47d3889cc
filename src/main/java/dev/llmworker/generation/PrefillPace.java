package dev.llmworker.generation;

/// How many prompt tokens may go with a decode step, from what steps took lately.
///
/// What they add does not grow in proportion to their number, so each of a few sizes has a figure of its own. The
/// largest that adds at most [#SHARE] of a plain step's time is taken, and the smallest always, so that prompts move.
///
/// Threading: the engine thread alone.
final class PrefillPace {
    /// More are hardly faster by the token.
    static final int MOST_TOKENS = 128;
    /// Of a plain step's time.
    static final double SHARE = 0.5;
    /// While prompts keep coming, every so many steps goes without: to know what a plain one takes.
    static final int STEPS_PER_PLAIN = 32;

    private static final double WEIGHT_OF_NEWEST = 0.25;
    /// A size that looked too slow once is tried again in the end, whatever made it slow.
    private static final double FORGETTING = 0.99;

    /// By number of rows, rounded up to a power of two; 0 where there was none yet.
    private final double[] plainNanos = new double[Integer.SIZE];
    private final double[] addedNanos;
    private final int leastTokens;
    private int stepsSincePlain;

    /// @param leastTokens a power of two, at most [#MOST_TOKENS]
    PrefillPace(int leastTokens) {
        this.leastTokens = leastTokens;
        this.addedNanos = new double[bucket(MOST_TOKENS) - bucket(leastTokens) + 1];
    }

    /// @param promptTokens that went with the step
    void stepTook(int rows, int promptTokens, long nanos) {
        int bucket = bucket(rows);
        if (promptTokens == 0) {
            stepsSincePlain = 0;
            plainNanos[bucket] = average(plainNanos[bucket], nanos);
            return;
        }
        stepsSincePlain++;
        double plain = plainNanos(rows);
        if (plain > 0 && promptTokens <= MOST_TOKENS) {
            int size = Math.max(0, bucket(promptTokens) - bucket(leastTokens));
            double whole = (double) (leastTokens << size) / promptTokens;
            addedNanos[size] = average(addedNanos[size], Math.max(1, whole * (nanos - plain)));
        }
    }

    /// Prompt tokens for one step; 0 for one that goes without.
    int tokens(int rows) {
        double plain = plainNanos(rows);
        if (plain == 0 || stepsSincePlain >= STEPS_PER_PLAIN) {
            return 0;
        }
        int chosen = 0;
        for (int size = 1; size < addedNanos.length; size++) {
            if (estimate(size) <= SHARE * plain) {
                chosen = size;
            } else {
                addedNanos[size] *= FORGETTING;
            }
        }
        return leastTokens << chosen;
    }

    /// Of as many rows, or else of the most rows fewer than that of which one is known; 0 where none is.
    private double plainNanos(int rows) {
        for (int bucket = bucket(rows); bucket >= 0; bucket--) {
            if (plainNanos[bucket] > 0) {
                return plainNanos[bucket];
            }
        }
        return 0;
    }

    /// A size that was never run is taken for twice as slow as half of it.
    private double estimate(int size) {
        if (addedNanos[size] > 0) {
            return addedNanos[size];
        }
        return size == 0 ? Double.POSITIVE_INFINITY : 2 * estimate(size - 1);
    }

    private static int bucket(int count) {
        return Integer.SIZE - Integer.numberOfLeadingZeros(count - 1);
    }

    private static double average(double before, double newest) {
        return before == 0 ? newest : before + WEIGHT_OF_NEWEST * (newest - before);
    }
}
