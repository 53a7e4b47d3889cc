package dev.llmworker.engine;

import dev.llmworker.model.decoder.PromptSizes;

/// Decides how many prompt tokens may go with a decode step, from how long recent steps took.
///
/// The added time is not proportional to the number of tokens, so each of a few sizes has its own estimate. Sizes
/// are tried from the smallest up. The budget is the largest size up to which every size adds at most [#SHARE] of
/// a plain step's time. It is never less than the smallest size, so that prompts always advance.
///
/// Threading: the engine thread alone.
final class PrefillBudget {
    /// The share of a plain step's time that prompt tokens may add.
    static final double SHARE = 0.5;
    /// While prompts keep coming, one step in this many carries no prompt tokens, to measure a plain step.
    static final int STEPS_PER_PLAIN = 32;

    private static final double WEIGHT_OF_NEWEST = 0.25;
    /// Decay of an estimate per step, so that a size that looked too slow is tried again, whatever made it slow.
    /// A size that takes twice its allowed time is tried once in 230 steps. Such steps then stay out of the
    /// slowest 1 %.
    private static final double FORGETTING = 0.997;

    /// Indexed by the number of rows, rounded up to a power of two; 0 if not measured yet.
    private final double[] plainNanos = new double[Integer.SIZE];
    private final double[] addedNanos;
    /// The value of [#steps] at which each estimate was measured.
    private final long[] measuredAt;
    private final int leastTokens;
    private final int mostTokens;
    /// The number of steps that could take prompt tokens.
    private long steps;
    private int stepsSincePlain;

    /// @param prompts its sizes are powers of two
    PrefillBudget(PromptSizes prompts) {
        this.leastTokens = prompts.least();
        this.mostTokens = prompts.beside();
        this.addedNanos = new double[bucket(mostTokens) - bucket(leastTokens) + 1];
        this.measuredAt = new long[addedNanos.length];
    }

    /// @param promptTokens the prompt tokens that the step carried
    void stepTook(int rows, int promptTokens, long nanos) {
        int bucket = bucket(rows);
        if (promptTokens == 0) {
            stepsSincePlain = 0;
            plainNanos[bucket] = average(plainNanos[bucket], nanos);
            return;
        }
        stepsSincePlain++;
        double plain = plainNanos(rows);
        if (plain > 0 && promptTokens <= mostTokens) {
            int size = Math.max(0, bucket(promptTokens) - bucket(leastTokens));
            double whole = (double) (leastTokens << size) / promptTokens;
            addedNanos[size] = average(addedNanos[size], Math.max(1, whole * (nanos - plain)));
            measuredAt[size] = steps;
        }
    }

    /// How many prompt tokens the next step may carry; 0 for a plain step.
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

    /// The time for this number of rows, or for the nearest smaller number that was measured; 0 if there is none.
    private double plainNanos(int rows) {
        for (int bucket = bucket(rows); bucket >= 0; bucket--) {
            if (plainNanos[bucket] > 0) {
                return plainNanos[bucket];
            }
        }
        return 0;
    }

    /// An unmeasured size is assumed to be twice as slow as half of it. If no smaller size was measured, it is
    /// assumed to be as slow as the next larger one.
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
