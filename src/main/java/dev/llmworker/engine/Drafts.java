package dev.llmworker.engine;

import java.util.Arrays;

/// Guesses how a sequence goes on, from what it has said before: it looks for the longest earlier place that reads as
/// the sequence's end does, and takes what follows there. It learns how often this is right without trying: each new
/// token is compared with what would have been guessed.
///
/// Threading: the engine thread alone.
final class Drafts {
    /// Shorter matches say nothing.
    static final int LEAST_MATCH = 3;

    private static final int MOST_MATCH = 16;
    /// How many tokens back it looks. This bounds the time of a search, which is some microseconds for 8,000 tokens.
    private static final int LOOK_BACK = 1 << 15;
    /// The shortest match of each kind of guesses, in tokens.
    private static final int[] KINDS = {LEAST_MATCH, 5, 9};

    /// A wrong guess counts nearly twice: drafts that are left out cost less than those that fail.
    private static final double WEIGHT_OF_RIGHT = 0.08;

    private static final double WEIGHT_OF_WRONG = 0.15;

    /// Of each kind, the share of guesses that were right lately. They begin low for short matches: a text that repeats
    /// nothing should never pay for guesses.
    private final double[] rightShares = {0.3, 0.5, 0.8};

    /// Where the guess for the next token is; -1 if there is none.
    private int next = -1;
    private int matched;
    private int seen = -1;

    /// Takes the tokens that were added since the last call, and looks for a match.
    ///
    /// @param ids all tokens of the sequence; the array may be longer than `length`
    void look(int[] ids, int length) {
        for (; next >= 0 && seen < length; seen++) {
            compare(ids);
        }
        seen = length;
        if (next < 0) {
            search(ids, length);
        }
    }

    private void compare(int[] ids) {
        boolean right = ids[next] == ids[seen];
        rightShares[kind()] +=
                right ? WEIGHT_OF_RIGHT * (1 - rightShares[kind()]) : -WEIGHT_OF_WRONG * rightShares[kind()];
        next = right ? next + 1 : -1;
        matched = Math.min(matched + 1, MOST_MATCH);
    }

    private int kind() {
        int kind = 0;
        while (kind + 1 < KINDS.length && matched >= KINDS[kind + 1]) {
            kind++;
        }
        return kind;
    }

    private void search(int[] ids, int length) {
        int last = length - 1;
        int from = Math.max(0, length - LOOK_BACK);
        matched = LEAST_MATCH - 1;
        for (int end = last - 1; end >= from + matched && matched < MOST_MATCH; end--) {
            if (ids[end] == ids[last]) {
                int same = 1;
                while (same < MOST_MATCH && end - same >= from && ids[end - same] == ids[last - same]) {
                    same++;
                }
                if (same > matched) {
                    matched = same;
                    next = end + 1;
                }
            }
        }
    }

    /// How likely the next guess is right; 0 if there is none.
    double rightShare() {
        return next < 0 ? 0 : rightShares[kind()];
    }

    /// What may follow, after [#look].
    ///
    /// @param ids as in the last [#look]
    int[] tokens(int[] ids, int count) {
        if (next < 0) {
            return new int[0];
        }
        // The place may be so near that what follows there are these tokens themselves.
        var tokens = Arrays.copyOfRange(ids, next, next + count);
        for (int i = Math.max(0, seen - next); i < count; i++) {
            tokens[i] = tokens[i - (seen - next)];
        }
        return tokens;
    }
}
