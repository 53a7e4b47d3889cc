package dev.llmworker.constraint;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.BitSet;
import java.util.Collection;
import java.util.function.IntFunction;

/// The tokens of a vocabulary as bytes, sorted into tries. It is made once per model.
///
/// A control token has no text. Its bytes here are [#CONTROL], which no UTF-8 has, and its id, so that a
/// grammar can name it. A mask never has a control token that the grammar does not name, nor a token without
/// bytes.
///
/// A token is plain if it may be part of a JSON string as it is: whole characters, without quotes, backslashes
/// and control characters. Within strings nearly all tokens are allowed, and most of those are plain. So there
/// are masks of the plain tokens by their length, and tries of the other ones, which are much smaller.
///
/// Threading: any thread.
public final class TokenTrie {
    /// Plain tokens are told apart by length up to here.
    static final int MAX_PLAIN = 32;

    static final int CONTROL = 0xFF;
    private static final int CONTROL_BYTES = 4;
    private static final int MAX_SIZE = 1 << 24;
    /// The lengths of plain tokens for which there is a trie without them.
    private static final int[] PLAIN_LENGTHS = {0, 4, MAX_PLAIN};

    /// A trie in depth-first order: a node is followed by those below it.
    ///
    /// @param label the byte that leads to a node
    /// @param end the index after the last node below a node
    /// @param token the first token that ends at a node, or -1
    record Trie(byte[] label, int[] end, int[] token) {}

    private final int size;
    private final int[] offsets;
    private final byte[] text;
    private final int[] endOfSequence;
    private final boolean[] ends;
    /// By token: the next one of the same bytes, or -1.
    private final int[] same;

    private final Trie[] tries = new Trie[PLAIN_LENGTHS.length];
    /// By length: the plain tokens of so many characters or fewer.
    private final long[][] plain = new long[MAX_PLAIN + 1][];

    /// @param size ids are from 0 to `size - 1`
    /// @param bytes a token's bytes; they are not kept. Empty for tokens that never occur
    /// @param controls the ids of control tokens; their bytes do not matter
    /// @param endOfSequence the tokens with which a model ends its answer
    public TokenTrie(int size, IntFunction<byte[]> bytes, BitSet controls, Collection<Integer> endOfSequence) {
        if (size < 1 || size > MAX_SIZE) {
            throw new IllegalArgumentException("a vocabulary of " + size + " tokens; expected 1 to " + MAX_SIZE);
        }
        this.size = size;
        this.endOfSequence = endOfSequence.stream().mapToInt(i -> i).sorted().toArray();
        ends = new boolean[size];
        for (var id : this.endOfSequence) {
            ends[id] = true;
        }
        offsets = new int[size + 1];
        var all = new byte[16 * size];
        for (var id = 0; id < size; id++) {
            var one = controls.get(id) ? controlBytes(id) : textBytes(bytes.apply(id));
            if (offsets[id] + one.length > all.length) {
                all = Arrays.copyOf(all, Math.max(2 * all.length, offsets[id] + one.length));
            }
            System.arraycopy(one, 0, all, offsets[id], one.length);
            offsets[id + 1] = offsets[id] + one.length;
        }
        text = Arrays.copyOf(all, offsets[size]);
        same = new int[size];
        build();
    }

    /// The bytes that stand for a control token in a grammar.
    static byte[] controlBytes(int id) {
        return new byte[] {(byte) CONTROL, (byte) (id >> 16), (byte) (id >> 8), (byte) id};
    }

    /// No text has the byte that marks control tokens, so no mask has a token with it.
    private static byte[] textBytes(byte[] bytes) {
        for (var b : bytes) {
            if ((b & 0xFF) == CONTROL) {
                return new byte[0];
            }
        }
        return bytes;
    }

    private void build() {
        var ids = new Integer[size];
        Arrays.setAll(ids, i -> i);
        Arrays.sort(ids, (a, b) -> compare(a, b));
        var plainLength = new int[size];
        for (var length = 0; length <= MAX_PLAIN; length++) {
            plain[length] = new long[words()];
        }
        for (var id = 0; id < size; id++) {
            plainLength[id] = plainLength(id);
            for (var length = Math.max(plainLength[id], 0); length <= MAX_PLAIN && plainLength[id] > 0; length++) {
                plain[length][id >> 6] |= 1L << id;
            }
        }
        Arrays.fill(same, -1);
        for (var i = size - 1; i > 0; i--) {
            if (compare(ids[i - 1], ids[i]) == 0) {
                same[ids[i - 1]] = ids[i];
            }
        }
        for (var i = 0; i < tries.length; i++) {
            var longest = PLAIN_LENGTHS[i];
            tries[i] = trie(Arrays.stream(ids)
                    .mapToInt(id -> id)
                    .filter(id -> plainLength[id] < 1 || plainLength[id] > longest)
                    .toArray());
        }
    }

    private int compare(int a, int b) {
        return Arrays.compareUnsigned(text, offsets[a], offsets[a + 1], text, offsets[b], offsets[b + 1]);
    }

    /// @param ids sorted by their bytes
    private Trie trie(int[] ids) {
        var label = new byte[text.length + 1];
        var end = new int[text.length + 1];
        var token = new int[text.length + 1];
        // The nodes on the way to the last token.
        var way = new int[256];
        var depth = 0;
        var nodes = 0;
        var previous = -1;
        for (var id : ids) {
            var length = offsets[id + 1] - offsets[id];
            if (length == 0 || previous >= 0 && compare(previous, id) == 0) {
                continue;
            }
            var shared = previous < 0 ? 0 : shared(previous, id);
            while (depth > shared) {
                end[way[--depth]] = nodes;
            }
            while (depth < length) {
                if (depth == way.length) {
                    way = Arrays.copyOf(way, 2 * depth);
                }
                way[depth] = nodes;
                label[nodes] = text[offsets[id] + depth];
                token[nodes++] = -1;
                depth++;
            }
            token[nodes - 1] = id;
            previous = id;
        }
        while (depth > 0) {
            end[way[--depth]] = nodes;
        }
        return new Trie(Arrays.copyOf(label, nodes), Arrays.copyOf(end, nodes), Arrays.copyOf(token, nodes));
    }

    private int shared(int a, int b) {
        var at = Arrays.mismatch(text, offsets[a], offsets[a + 1], text, offsets[b], offsets[b + 1]);
        return at < 0 ? offsets[a + 1] - offsets[a] : at;
    }

    /// The characters of a plain token; -1 if it is not plain.
    private int plainLength(int id) {
        var token = new String(text, offsets[id], offsets[id + 1] - offsets[id], StandardCharsets.UTF_8);
        // Malformed bytes become U+FFFD.
        var isPlain = token.chars().allMatch(c -> c < 0x80 ? isPlain(c) : c != 0xFFFD);
        return isPlain ? token.codePointCount(0, token.length()) : -1;
    }

    /// Whether an ASCII character is itself in a JSON string.
    static boolean isPlain(int c) {
        return c >= ' ' && c < 0x7F && c != '"' && c != '\\';
    }

    /// The trie of all tokens but the plain ones of up to `characters` characters, or of fewer.
    Trie without(int characters) {
        return tries[level(characters)];
    }

    /// The plain tokens that [#without] leaves out. Not to be changed.
    long[] plain(int characters) {
        return plain[PLAIN_LENGTHS[level(characters)]];
    }

    private static int level(int characters) {
        var level = PLAIN_LENGTHS.length - 1;
        while (PLAIN_LENGTHS[level] > characters) {
            level--;
        }
        return level;
    }

    int next(int token) {
        return same[token];
    }

    byte[] bytes(int id) {
        return Arrays.copyOfRange(text, offsets[id], offsets[id + 1]);
    }

    boolean isEndOfSequence(int id) {
        return ends[id];
    }

    int[] endOfSequence() {
        return endOfSequence;
    }

    /// The number of token ids.
    public int size() {
        return size;
    }

    /// The length of a mask.
    public int words() {
        return (size + 63) / 64;
    }
}
