package dev.llmworker.text;

/// Is thrown for a prompt that certainly has too many tokens, before it is encoded.
public final class PromptTooLongException extends RuntimeException {
    private final int fewestTokens;

    public PromptTooLongException(int fewestTokens) {
        super("the prompt has at least " + fewestTokens + " tokens");
        this.fewestTokens = fewestTokens;
    }

    /// A lower bound on the prompt's token count.
    public int fewestTokens() {
        return fewestTokens;
    }
}
