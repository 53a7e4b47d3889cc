package dev.llmworker.engine;

import java.util.Arrays;
import java.util.List;

/// Decides how many draft tokens a step tries. A step with drafts takes longer; each draft token that is right saves
/// its sequence a step. This measures what drafts add to a step, and takes as many as are worth it by how often each
/// sequence's guesses were right.
///
/// Threading: the engine thread alone.
final class Speculation {
    /// With more sequences, the processor is busy enough without drafts.
    static final int MOST_SEQUENCES = 4;
    /// After this number of steps with drafts, one step has none: it measures a plain step.
    static final int STEPS_PER_PLAIN = 32;
    /// A step without drafts is measured so often before the first draft.
    private static final int LEAST_MEASURED = 4;

    private static final double WEIGHT_OF_NEWEST = 0.15;
    /// A step counts as at most this many times its usual length, because other programs may delay it.
    private static final double MOST_TIMES_LONGER = 2;
    /// What a draft adds, until it is measured, as a part of a plain step of one sequence.
    private static final double ASSUMED_SHARE = 0.4;
    /// Drafts must save this many times what they take, because both are estimates.
    private static final double MARGIN = 1.15;
    /// While other sequences run, drafts add at most this share of a plain step, as prompts do.
    private static final double MOST_ADDED = PrefillBudget.SHARE;
    /// Chances that differ by less are the same, as they are estimates.
    private static final double NEARLY = 0.9;
    /// Per step whose guesses were not worth it. What was measured while something else ran is thus measured again.
    private static final double FORGETTING = 0.998;

    private final int contextLength;
    /// 0 for no speculation.
    private int mostDrafts;
    /// By the number of sequences.
    private final double[] plainNanos = new double[MOST_SEQUENCES + 1];
    private final int[] measured = new int[MOST_SEQUENCES + 1];
    /// What each draft token adds, by the number of drafts, rounded down to a power of two; 0 if not measured yet.
    private final double[] addedNanos = new double[Integer.SIZE];
    private int stepsSincePlain;

    /// @param mostDrafts that a step can take, of all sequences together; 0 for no speculation
    Speculation(int mostDrafts, int contextLength) {
        this.mostDrafts = mostDrafts;
        this.contextLength = contextLength;
    }

    /// From now on there are no drafts.
    void end() {
        mostDrafts = 0;
    }

    /// The draft tokens of each sequence for the next step, which takes no tokens of prompts.
    int[][] drafts(List<Sequence> sequences) {
        int count = sequences.size();
        if (mostDrafts == 0 || count > MOST_SEQUENCES) {
            return new int[count][0];
        }
        var rightShares = new double[count];
        var most = new int[count];
        boolean guessed = false;
        for (int i = 0; i < count; i++) {
            rightShares[i] = sequences.get(i).lookForDrafts();
            most[i] = rightShares[i] > 0 ? sequences.get(i).mostDrafts(contextLength) : 0;
            guessed |= most[i] > 0;
        }
        boolean plain = measured[count] < LEAST_MEASURED || stepsSincePlain >= STEPS_PER_PLAIN;
        var worth = plain ? new int[count] : worth(rightShares, most);
        if (guessed && !plain && Arrays.stream(worth).sum() == 0) {
            for (int i = 0; i < addedNanos.length; i++) {
                addedNanos[i] *= FORGETTING;
            }
        }
        var drafts = new int[count][];
        for (int i = 0; i < count; i++) {
            drafts[i] = sequences.get(i).drafts(worth[i]);
        }
        return drafts;
    }

    /// How many drafts of each sequence save most. The gain is the expected number of right drafts, less the tokens
    /// that all sequences would get in the time that the drafts add. Each draft goes to the [#likeliest] sequence.
    ///
    /// @param rightShares how likely each sequence's next guess is right
    /// @param most how many drafts each can have
    private int[] worth(double[] rightShares, int[] most) {
        int sequences = most.length;
        double plain = plainNanos[sequences];
        double longest = sequences == 1 ? Double.POSITIVE_INFINITY : MOST_ADDED * plain;
        var given = new int[sequences];
        var chances = rightShares.clone();
        var best = given.clone();
        double bestGain = 0, right = 0;
        for (int count = 1; count <= mostDrafts; count++) {
            int next = likeliest(chances, given, most);
            double added = next < 0 ? 0 : count * added(count, sequences);
            if (next < 0 || added > longest) {
                break;
            }
            given[next]++;
            right += chances[next];
            chances[next] *= rightShares[next];
            double gain = right - MARGIN * added / plain * sequences;
            if (gain > bestGain) {
                best = given.clone();
                bestGain = gain;
            }
        }
        return best;
    }

    /// The sequence whose next draft is most likely right; -1 if none can have one more. Of sequences with nearly the
    /// same chance, the one with the fewest drafts is next: who is ahead would else stay ahead.
    private static int likeliest(double[] chances, int[] given, int[] most) {
        double best = 0;
        for (int i = 0; i < most.length; i++) {
            best = given[i] < most[i] ? Math.max(best, chances[i]) : best;
        }
        int found = -1;
        for (int i = 0; i < most.length; i++) {
            boolean isNear = given[i] < most[i] && chances[i] >= NEARLY * best;
            if (isNear && (found < 0 || given[i] < given[found])) {
                found = i;
            }
        }
        return found;
    }

    /// What each of `drafts` drafts adds to a step.
    private double added(int drafts, int sequences) {
        int bucket = bucket(drafts);
        for (int smaller = bucket; smaller >= 0; smaller--) {
            if (addedNanos[smaller] > 0) {
                return addedNanos[smaller];
            }
        }
        for (int larger = bucket + 1; larger < addedNanos.length; larger++) {
            if (addedNanos[larger] > 0) {
                return addedNanos[larger];
            }
        }
        return ASSUMED_SHARE * plainNanos[sequences] / (1 + ASSUMED_SHARE * (sequences - 1));
    }

    /// A step without tokens of prompts has ended.
    void stepTook(int sequences, int drafts, long nanos) {
        if (mostDrafts == 0 || sequences > MOST_SEQUENCES) {
            return;
        }
        double plain = plainNanos[sequences];
        if (drafts == 0) {
            stepsSincePlain = 0;
            measured[sequences]++;
            plainNanos[sequences] = average(plain, nanos);
            return;
        }
        stepsSincePlain++;
        int bucket = bucket(drafts);
        double least = 0.01 * plain / drafts;
        addedNanos[bucket] = average(addedNanos[bucket], Math.max(least, (nanos - plain) / drafts));
    }

    private static int bucket(int drafts) {
        return Integer.SIZE - 1 - Integer.numberOfLeadingZeros(drafts);
    }

    private static double average(double before, double newest) {
        return before == 0
                ? newest
                : before + WEIGHT_OF_NEWEST * (Math.min(newest, MOST_TIMES_LONGER * before) - before);
    }
}
