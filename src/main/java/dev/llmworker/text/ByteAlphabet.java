package dev.llmworker.text;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Set;
import java.util.stream.IntStream;
import java.util.stream.Stream;

/// GPT-2's printable characters for bytes, which byte-level BPE uses in token names. A printable Latin-1
/// character stands for itself. The other 68 bytes are U+0100 and up, in order: a space is `Ġ`, U+0120.
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

    public static Stream<String> characters() {
        return IntStream.range(0, BYTES.length)
                .filter(character -> BYTES[character] >= 0)
                .mapToObj(Character::toString);
    }

    /// Whether each byte has a token of its own, so that any text can be encoded.
    public static boolean isIn(Set<String> names) {
        return characters().allMatch(names::contains);
    }

    /// The bytes of a token name. A name with any other character cannot come from training, so it is taken as
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
