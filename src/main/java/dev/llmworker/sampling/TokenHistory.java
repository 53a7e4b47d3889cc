package dev.llmworker.sampling;

import java.util.Arrays;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/// The tokens of one sequence so far, and which may come next. Penalties need them, and so do the minimum length of an
/// answer and its format.
///
/// Threading: one thread at a time.
public final class TokenHistory {
    private final int[] endTokens;
    private final int minTokens;
    private final int promptLength;
    private int[] ids;
    private int length;
    private Supplier<long @Nullable []> allowed = () -> null;

    /// @param minTokens how many tokens the answer must have before one of `endTokens` is allowed
    public TokenHistory(int[] prompt, int minTokens, int[] endTokens) {
        this(prompt, minTokens, endTokens, prompt.length, prompt.length);
    }

    private TokenHistory(int[] ids, int minTokens, int[] endTokens, int promptLength, int length) {
        this.endTokens = endTokens;
        this.minTokens = minTokens;
        this.promptLength = promptLength;
        this.ids = ids;
        this.length = length;
    }

    /// A copy with more generated tokens, for a step that takes them before they are known to follow.
    ///
    /// @param count how many of `tokens`
    public TokenHistory with(int[] tokens, int count) {
        var copy = new TokenHistory(Arrays.copyOf(ids, length + count), minTokens, endTokens, promptLength, length);
        for (int i = 0; i < count; i++) {
            copy.add(tokens[i]);
        }
        copy.allowed = allowed;
        return copy;
    }

    /// Appends a generated token.
    public void add(int token) {
        if (length == ids.length) {
            ids = Arrays.copyOf(ids, length + Math.max(length / 2, 64));
        }
        ids[length++] = token;
    }

    /// The number of tokens in the prompt and the answer.
    public int length() {
        return length;
    }

    public int token(int position) {
        return ids[position];
    }

    /// The position at which the answer begins.
    public int promptLength() {
        return promptLength;
    }

    /// The tokens that may come next: bit `id % 64` of word `id / 64`. Null if all may. It may wait until they are
    /// known.
    public long @Nullable [] allowed() {
        return allowed.get();
    }

    /// @param tokens is asked when the next token is chosen, after the decoder's layers have run
    public void allow(Supplier<long @Nullable []> tokens) {
        allowed = tokens;
    }

    /// The tokens that are forbidden for the next [#forbiddenSteps()] steps.
    public int[] endTokens() {
        return endTokens;
    }

    public int forbiddenSteps() {
        return Math.max(0, minTokens - (length - promptLength));
    }
}
