package dev.llmworker.text;

/// From plain text to token ids, none of them a control token's.
///
/// Threading: any thread.
@FunctionalInterface
public interface TextEncoder {
    /// @param text without lone surrogates
    int[] encode(String text);

    /// As [#encode], for text that goes on after a control token.
    default int[] encodeFurther(String text) {
        return encode(text);
    }
}
