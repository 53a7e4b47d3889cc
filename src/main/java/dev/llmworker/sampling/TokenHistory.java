package dev.llmworker.sampling;

import java.util.Arrays;

/// The tokens of one sequence so far. Penalties need them, and so does the minimum length of an answer.
///
/// Threading: one thread at a time.
public final class TokenHistory {
    private final int[] endTokens;
    private final int minTokens;
    private final int promptLength;
    private int[] ids;
    private int length;

    /// @param minTokens how many tokens the answer must have before one of `endTokens` is allowed
    public TokenHistory(int[] prompt, int minTokens, int[] endTokens) {
        this.endTokens = endTokens;
        this.minTokens = minTokens;
        this.promptLength = prompt.length;
        this.ids = prompt;
        this.length = prompt.length;
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

    /// The tokens that are forbidden for the next [#forbiddenSteps()] steps.
    public int[] endTokens() {
        return endTokens;
    }

    public int forbiddenSteps() {
        return Math.max(0, minTokens - (length - promptLength));
    }
}
