package dev.llmworker.text;

/// A prompt that cannot be of as few tokens as it may have, found before it is encoded.
public final class PromptTooLongException extends RuntimeException {
    private final int fewestTokens;

    public PromptTooLongException(int fewestTokens) {
        super("the prompt has " + fewestTokens + " tokens or more");
        this.fewestTokens = fewestTokens;
    }

    /// It has so many, or more.
    public int fewestTokens() {
        return fewestTokens;
    }
}
