package dev.llmworker.engine;

/// How many prompt tokens may go with a decode step, from what steps took lately.
///
/// What they add does not grow in proportion to their number, so each of a few sizes has a figure of its own. The
/// largest up to which all add at most [#SHARE] of a plain step's time is taken, and the smallest always, so that
/// prompts move.
///
/// Threading: the engine thread alone.
final class PrefillBudget {
    /// More are hardly faster by the token.
    static final int MOST_TOKENS = 128;
    /// Of a plain step's time.
    static final double SHARE = 0.5;
    /// While prompts keep coming, every so many steps goes without: to know what a plain one takes.
    static final int STEPS_PER_PLAIN = 32;

    private static final double WEIGHT_OF_NEWEST = 0.25;
    /// By the step: a size that looked too slow is tried again in the end, whatever made it slow. One that takes
    /// twice as long as it may is tried once in 230 steps, so that the slowest in a hundred are not these.
    private static final double FORGETTING = 0.997;

    /// By number of rows, rounded up to a power of two; 0 where there was none yet.
    private final double[] plainNanos = new double[Integer.SIZE];
    private final double[] addedNanos;
    /// Of each figure, by [#steps].
    private final long[] measuredAt;
    private final int leastTokens;
    /// Steps that could take prompt tokens.
    private long steps;
    private int stepsSincePlain;

    /// @param leastTokens a power of two, at most [#MOST_TOKENS]
    PrefillBudget(int leastTokens) {
        this.leastTokens = leastTokens;
        this.addedNanos = new double[bucket(MOST_TOKENS) - bucket(leastTokens) + 1];
        this.measuredAt = new long[addedNanos.length];
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
            measuredAt[size] = steps;
        }
    }

    /// Prompt tokens for one step; 0 for one that goes without.
    int tokens(int rows) {
        double plain = plainNanos(rows);
        if (plain == 0 || stepsSincePlain >= STEPS_PER_PLAIN) {
            return 0;
        }
        steps++;
        int size = 0;
        while (size + 1 < addedNanos.length && estimate(size + 1) <= SHARE * plain) {
            size++;
        }
        return leastTokens << size;
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

    /// A size that was never run is taken for twice as slow as half of it; where no smaller one was run either, for as
    /// slow as the next larger.
    private double estimate(int size) {
        for (int smaller = size; smaller >= 0; smaller--) {
            if (addedNanos[smaller] > 0) {
                return remembered(smaller) * (1 << size - smaller);
            }
        }
        for (int larger = size + 1; larger < addedNanos.length; larger++) {
            if (addedNanos[larger] > 0) {
                return addedNanos[larger];
            }
        }
        return Double.POSITIVE_INFINITY;
    }

    private double remembered(int size) {
        return addedNanos[size] * Math.pow(FORGETTING, steps - measuredAt[size]);
    }

    private static int bucket(int count) {
        return Integer.SIZE - Integer.numberOfLeadingZeros(count - 1);
    }

    private static double average(double before, double newest) {
        return before == 0 ? newest : before + WEIGHT_OF_NEWEST * (newest - before);
    }
}
