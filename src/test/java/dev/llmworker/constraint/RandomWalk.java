package dev.llmworker.constraint;

import java.io.ByteArrayOutputStream;
import java.util.Random;
import org.jspecify.annotations.Nullable;

/// A generation that takes random tokens of its masks, and after a while those that end strings, objects and
/// arrays.
final class RandomWalk {
    private static final String CLOSING = "\"}],";
    private static final int TRIES = 200;

    private final TokenTrie tokens;
    private final Random random;
    private final int freeTokens;
    private final int maxTokens;

    /// @param freeTokens after so many tokens, ends are preferred
    /// @param maxTokens how many tokens the answer may have
    RandomWalk(TokenTrie tokens, Random random, int freeTokens, int maxTokens) {
        this.tokens = tokens;
        this.random = random;
        this.freeTokens = freeTokens;
        this.maxTokens = maxTokens;
    }

    /// The answer; null if it does not end within the tokens.
    byte @Nullable [] run(Constraint constraint) {
        var state = constraint.begin();
        var text = new ByteArrayOutputStream();
        var bits = new long[constraint.words()];
        for (var i = 0; i < maxTokens; i++) {
            state.mask(bits);
            if (state.isComplete() && (state.isFinished() || i >= freeTokens || random.nextInt(4) == 0)) {
                return text.toByteArray();
            }
            var id = choose(bits, i >= freeTokens);
            if (!state.advance(id)) {
                throw new AssertionError("token " + id + " is in the mask and is not allowed");
            }
            if (tokens.isEndOfSequence(id)) {
                return text.toByteArray();
            }
            text.writeBytes(tokens.bytes(id));
        }
        return null;
    }

    int choose(long[] bits, boolean ends) {
        var chosen = any(bits);
        for (var i = 0; i < TRIES && ends; i++) {
            var id = i < TRIES / 2 && i < CLOSING.length() ? single(bits, CLOSING.charAt(i)) : any(bits);
            if (id >= 0 && closes(tokens.bytes(id))) {
                return id;
            }
        }
        return chosen;
    }

    private int single(long[] bits, char c) {
        for (var word = 0; word < bits.length; word++) {
            for (var rest = bits[word]; rest != 0; rest &= rest - 1) {
                var bytes = tokens.bytes(64 * word + Long.numberOfTrailingZeros(rest));
                if (bytes.length == 1 && bytes[0] == c) {
                    return 64 * word + Long.numberOfTrailingZeros(rest);
                }
            }
        }
        return -1;
    }

    private static boolean closes(byte[] bytes) {
        return bytes.length == 1 && CLOSING.indexOf(bytes[0]) >= 0;
    }

    private int any(long[] bits) {
        var count = 0;
        for (var word : bits) {
            count += Long.bitCount(word);
        }
        var skipped = random.nextInt(count);
        for (var word = 0; word < bits.length; word++) {
            var here = Long.bitCount(bits[word]);
            if (skipped < here) {
                var rest = bits[word];
                for (; skipped > 0; skipped--) {
                    rest &= rest - 1;
                }
                return 64 * word + Long.numberOfTrailingZeros(rest);
            }
            skipped -= here;
        }
        throw new AssertionError("an empty mask");
    }
}
