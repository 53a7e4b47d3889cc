package dev.llmworker.text;

/// Converts text to token ids.
///
/// Threading: any thread.
@FunctionalInterface
public interface TextEncoder {
    /// Names of control tokens become these tokens, unless a [NameGuard] broke them.
    ///
    /// @param guarded without lone surrogates
    int[] encode(String guarded);

    /// Like [#encode], for a text that is not guarded: each name in it is a token.
    ///
    /// @param trusted without lone surrogates
    default int[] encodeTrusted(String trusted) {
        return encode(NameGuard.escaped(trusted));
    }
}
