package dev.llmworker.engine;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.NoSuchElementException;
import java.util.Set;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/// The sequences whose prompts are being written into the cache, in the order in which they were taken.
///
/// The oldest sequence and the one with the fewest tokens left take turns. Short prompts thus do not wait for a
/// long one, and a long prompt gets at least half of the turns once it is the oldest.
///
/// Threading: the engine thread alone.
final class PrefillQueue {
    /// A prompt that comes alone is short up to here.
    private static final int SHORT_TOKENS = 64;
    /// One of several is short if it takes two pieces.
    private static final int SHORT_AMONG_SEVERAL_TOKENS = 256;
    /// More work is no burst: 32 short prompts.
    private static final int MOST_BURST_TOKENS = 32 * SHORT_TOKENS;

    private final List<Sequence> sequences = new ArrayList<>();
    private boolean shortestNext;

    void add(Sequence sequence) {
        int at = sequences.size();
        while (at > 0 && sequences.get(at - 1).taken() > sequence.taken()) {
            at--;
        }
        sequences.add(at, sequence);
    }

    List<Sequence> all() {
        return List.copyOf(sequences);
    }

    boolean has(Sequence sequence) {
        return sequences.contains(sequence);
    }

    void remove(Sequence sequence) {
        sequences.remove(sequence);
    }

    void removeIf(Predicate<Sequence> ends) {
        sequences.removeIf(ends);
    }

    boolean isEmpty() {
        return sequences.isEmpty();
    }

    int size() {
        return sequences.size();
    }

    /// Whether there is a short prompt, and all together are soon done. Prompts count as a whole, so that the end of a
    /// long
    /// one is not short.
    boolean isBurst() {
        int shortTokens = sequences.size() > 1 ? SHORT_AMONG_SEVERAL_TOKENS : SHORT_TOKENS;
        int all = 0;
        boolean isShort = false;
        for (var sequence : sequences) {
            int tokens = sequence.prefillLength() - sequence.reused();
            all += tokens;
            isShort |= tokens <= shortTokens;
        }
        return isShort && all <= MOST_BURST_TOKENS;
    }

    /// @param passed sequences that have had their turn
    Sequence next(Set<Sequence> passed) {
        shortestNext = !shortestNext;
        @Nullable Sequence next = null;
        for (var sequence : sequences) {
            if (!passed.contains(sequence)
                    && (next == null || (shortestNext && sequence.promptLeft() < next.promptLeft()))) {
                next = sequence;
            }
        }
        if (next == null) {
            throw new NoSuchElementException("no prompt is waiting");
        }
        return next;
    }

    /// The next tokens of a sequence's prompt, which go with a decode step; `count` is 0 if only the last token
    /// is left.
    record Part(Sequence sequence, int count) {}

    /// Shares out the tokens of a step. A prompt's last token is never among them: it is the sequence's first
    /// step.
    ///
    /// @param most of how many prompts there may be tokens
    /// @param place gives a sequence a slot if it has none, with any cached prefix of its prompt; false if it
    ///     cannot
    List<Part> share(int tokens, int most, Predicate<Sequence> place) {
        List<Part> parts = new ArrayList<>();
        Set<Sequence> passed = new HashSet<>();
        int left = tokens;
        int prompts = 0;
        while (left > 0 && prompts < most && passed.size() < sequences.size()) {
            var sequence = next(passed);
            passed.add(sequence);
            if (place.test(sequence)) {
                int count = sequence.untilKept(Math.min(left, sequence.promptLeft() - 1));
                parts.add(new Part(sequence, count));
                left -= count;
                prompts += count > 0 ? 1 : 0;
            }
        }
        return parts;
    }
}
