package dev.llmworker.text;

import java.nio.charset.StandardCharsets;
import java.text.Normalizer;
import java.util.Arrays;
import java.util.BitSet;
import java.util.List;

/// A cheap lower bound on a text's token count. Counting the tokens of a long text takes seconds. This takes
/// milliseconds, so a text that cannot fit is refused before any work on it.
///
/// Tokens cover the bytes of a text one after the other. A token is no longer than the longest token that begins
/// with the same six bytes. So the farthest byte that `n` tokens can reach gives the one that `n + 1` can.
///
/// Threading: any thread.
public final class FewestTokens {
    /// Tokens shorter than this are assumed to fit everywhere.
    private static final int PREFIX_BYTES = 6;
    private static final int TABLE_BITS = 18;
    private static final long PREFIX_MASK = (1L << PREFIX_BYTES * 8) - 1;
    private static final long GOLDEN_RATIO = 0x9E3779B97F4A7C15L;

    private final Covering covering;
    /// The longest token in bytes, by the hash of its prefix; on a collision, the longer one.
    private final int[] longest = new int[1 << TABLE_BITS];

    /// Bytes that are tokens by themselves. Byte-level vocabularies may lack some; such bytes are lost.
    private final BitSet known = new BitSet(1 << Byte.SIZE);

    /// What a tokenizer does to a text before splitting it into tokens, as far as it changes the number of bytes.
    public enum Covering {
        /// Nothing: the text's bytes are the tokens' bytes.
        AS_IT_IS,
        /// It composes the text (NFC).
        COMPOSED,
        /// It treats `▁` and a space alike, and may put a space before the text.
        SPACED
    }

    /// @param tokens the bytes of every text token
    FewestTokens(List<byte[]> tokens, Covering covering) {
        this.covering = covering;
        tokens.stream().filter(token -> token.length == 1).forEach(token -> known.set(token[0] & 0xff));
        for (var text : tokens) {
            var token = kept(covering == Covering.SPACED ? spaced(text) : text);
            add(token, 0);
            if (covering == Covering.SPACED && token.length > 0 && token[0] == ' ') {
                // The space may be the one that is put before the text.
                add(token, 1);
            }
        }
    }

    /// A user-defined token may contain `▁` itself.
    private static byte[] spaced(byte[] token) {
        return new String(token, StandardCharsets.ISO_8859_1)
                .replace("\u00e2\u0096\u0081", " ")
                .getBytes(StandardCharsets.ISO_8859_1);
    }

    private void add(byte[] token, int from) {
        if (token.length - from < PREFIX_BYTES) {
            return;
        }
        var prefix = 0L;
        for (var i = from; i < from + PREFIX_BYTES; i++) {
            prefix = next(prefix, token[i]);
        }
        var place = place(prefix);
        longest[place] = Math.max(longest[place], token.length - from);
    }

    private byte[] kept(byte[] bytes) {
        var kept = new byte[bytes.length];
        var count = 0;
        for (var value : bytes) {
            if (known.get(value & 0xff)) {
                kept[count++] = value;
            }
        }
        return count == bytes.length ? bytes : Arrays.copyOf(kept, count);
    }

    private static long next(long prefix, byte value) {
        return (prefix << 8 | value & 0xff) & PREFIX_MASK;
    }

    private static int place(long prefix) {
        return (int) (prefix * GOLDEN_RATIO >>> Long.SIZE - TABLE_BITS);
    }

    /// @param text without lone surrogates
    int of(String text) {
        var bytes = kept(covered(text).getBytes(StandardCharsets.UTF_8));
        var tokens = 0;
        var reached = 0;
        var further = 0;
        var prefix = 0L;
        for (var i = 0; i < Math.min(PREFIX_BYTES - 1, bytes.length); i++) {
            prefix = next(prefix, bytes[i]);
        }
        for (var start = 0; start < bytes.length; start++) {
            TextEncoder.stopIfInterrupted(start);
            var last = start + PREFIX_BYTES - 1;
            var length = PREFIX_BYTES - 1;
            if (last < bytes.length) {
                prefix = next(prefix, bytes[last]);
                length = Math.max(length, longest[place(prefix)]);
            }
            further = Math.max(further, start + length);
            if (start == reached) {
                tokens++;
                reached = further;
            }
        }
        return tokens;
    }

    private String covered(String text) {
        return switch (covering) {
            case AS_IT_IS -> text;
            case COMPOSED -> Normalizer.normalize(CanonicalOrder.ordered(text), Normalizer.Form.NFC);
            case SPACED -> text.replace('▁', ' ');
        };
    }
}
