package dev.llmworker.text;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Set;
import java.util.stream.IntStream;

/// The printable characters that byte-level BPE writes bytes as, GPT-2's: a printable Latin-1 character stands for
/// itself, the other 68 bytes are U+0100 and up in their order (a space is `Ġ`, U+0120).
public final class ByteAlphabet {
    private static final int[] BYTES = new int[0x100 + 68];

    static {
        Arrays.fill(BYTES, -1);
        var next = 0x100;
        for (var value = 0; value < 0x100; value++) {
            var printable =
                    value >= '!' && value <= '~' || value >= 0xA1 && value <= 0xAC || value >= 0xAE && value <= 0xFF;
            BYTES[printable ? value : next++] = value;
        }
    }

    private ByteAlphabet() {}

    /// Whether each byte has a name of its own, so that any text can be written.
    public static boolean isIn(Set<String> names) {
        return IntStream.range(0, BYTES.length)
                .filter(character -> BYTES[character] >= 0)
                .allMatch(character -> names.contains(Character.toString(character)));
    }

    /// The bytes that `name` writes. A name with another character in it, which training cannot have made, is taken for
    /// the text itself.
    static byte[] bytes(String name) {
        var bytes = new byte[name.length()];
        for (var i = 0; i < bytes.length; i++) {
            var character = name.charAt(i);
            if (character >= BYTES.length || BYTES[character] < 0) {
                return name.getBytes(StandardCharsets.UTF_8);
            }
            bytes[i] = (byte) BYTES[character];
        }
        return bytes;
    }
}
