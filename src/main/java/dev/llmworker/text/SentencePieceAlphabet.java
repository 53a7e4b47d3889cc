package dev.llmworker.text;

import java.nio.charset.StandardCharsets;

/// How SentencePiece writes bytes in token names: text unchanged except for spaces, and `<0x0A>` for a single
/// byte.
public final class SentencePieceAlphabet {
    /// Stands for a space.
    public static final char SPACE = '\u2581';

    private SentencePieceAlphabet() {}

    public static byte[] bytes(String name) {
        return name.replace(SPACE, ' ').getBytes(StandardCharsets.UTF_8);
    }

    /// The byte that a byte token stands for.
    public static byte[] byteOf(String name) {
        return new byte[] {(byte) Integer.parseInt(name, 3, 5, 16)};
    }
}
