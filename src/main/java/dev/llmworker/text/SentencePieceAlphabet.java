package dev.llmworker.text;

import java.nio.charset.StandardCharsets;

/// How SentencePiece writes bytes in the names of tokens: text as it is, but for spaces, and `<0x0A>` for a lone byte.
public final class SentencePieceAlphabet {
    /// The mark of a space.
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
