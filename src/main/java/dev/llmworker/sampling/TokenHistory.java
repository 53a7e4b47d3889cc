package dev.llmworker.sampling;

import java.util.Arrays;

/// The tokens of one sequence so far, for what depends on them: penalties, and that an answer does not end too early.
///
/// Threading: one thread at a time.
public final class TokenHistory {
    private final int[] endTokens;
    private final int minTokens;
    private final int promptLength;
    private int[] ids;
    private int length;

    /// @param minTokens tokens of the answer before which none of `endTokens` may come
    public TokenHistory(int[] prompt, int minTokens, int[] endTokens) {
        this.endTokens = endTokens;
        this.minTokens = minTokens;
        this.promptLength = prompt.length;
        this.ids = prompt;
        this.length = prompt.length;
    }

    /// A token was generated.
    public void add(int token) {
        if (length == ids.length) {
            ids = Arrays.copyOf(ids, length + Math.max(length / 2, 64));
        }
        ids[length++] = token;
    }

    /// Tokens of prompt and answer.
    public int length() {
        return length;
    }

    public int token(int position) {
        return ids[position];
    }

    /// Where the answer begins.
    public int promptLength() {
        return promptLength;
    }

    /// Which must not come in the next [#forbiddenSteps()] steps.
    public int[] endTokens() {
        return endTokens;
    }

    public int forbiddenSteps() {
        return Math.max(0, minTokens - (length - promptLength));
    }
}
