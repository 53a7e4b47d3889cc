package dev.llmworker.text;

/// Converts plain text to token ids, never to a control token's.
///
/// Threading: any thread.
@FunctionalInterface
public interface TextEncoder {
    /// @param text without lone surrogates
    int[] encode(String text);

    /// Like [#encode], for text that follows a control token.
    default int[] encodeFurther(String text) {
        return encode(text);
    }
}
