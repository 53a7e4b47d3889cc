package dev.llmworker.constraint;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.LinkedHashSet;
import java.util.List;

/// Vocabularies of all bytes, and of texts that cross the borders of JSON's elements and of characters.
final class TestVocabulary {
    static final int END = 0;
    static final int CONTROL = 1;

    private static final String[] WORDS = {
        "\",",
        "\":",
        "\": ",
        "\":\"",
        "\", \"",
        "{\"",
        "{\"a",
        "\"a\"",
        "}}",
        "]}",
        "},",
        "\"}",
        "[]",
        "{}",
        "[{",
        "\\u",
        "\\\"",
        "\\n",
        "\\u00",
        "\\ud8",
        "true",
        "tr",
        "alse",
        "null",
        "nu",
        "  ",
        "    ",
        "\n  ",
        "\r\n",
        "\n",
        "12",
        "-1",
        "0.",
        ".5",
        "e+",
        "00",
        "100",
        "aa",
        "ab",
        "abc",
        "name",
        "na",
        "id\"",
        "red",
        "re",
        "é",
        "漢字",
        "字\"",
        "😀",
        "😀a",
        "a😀",
        "hello world",
        "x\"y",
        "20",
        "-0",
        "T1",
        "://",
        "@",
        "a@b",
        "a longer text that has more than thirty-two characters",
        "\u007f",
        "\"\"",
        "\":{\"",
        "\":[",
        "1,",
        "1]",
        "1}",
        "e\"",
        ", "
    };

    private TestVocabulary() {}

    static List<byte[]> tokens() {
        var texts = new ArrayList<byte[]>();
        texts.add(new byte[0]);
        texts.add(new byte[0]);
        for (var b = 0; b < 256; b++) {
            texts.add(new byte[] {(byte) b});
        }
        for (var word : new LinkedHashSet<>(List.of(WORDS))) {
            texts.add(word.getBytes(StandardCharsets.UTF_8));
        }
        // Parts of characters, a token twice, and one that never occurs.
        texts.add(new byte[] {'a', (byte) 0xE6, (byte) 0xBC});
        texts.add(new byte[] {(byte) 0xA2, '"'});
        texts.add(new byte[] {(byte) 0xED, (byte) 0xA0, (byte) 0x80});
        texts.add(new byte[] {(byte) 0xC0, (byte) 0x80});
        texts.add(new byte[] {'a', (byte) 0xFF});
        texts.add("abc".getBytes(StandardCharsets.UTF_8));
        texts.add(new byte[0]);
        return texts;
    }

    static TokenTrie trie() {
        return trie(tokens());
    }

    static TokenTrie trie(List<byte[]> texts) {
        var controls = new BitSet();
        controls.set(END);
        controls.set(CONTROL);
        return new TokenTrie(texts.size(), texts::get, controls, List.of(END));
    }

    static boolean has(long[] mask, int token) {
        return (mask[token >> 6] >>> token & 1) != 0;
    }

    /// The tokens of the single bytes of a text.
    static int[] bytes(String text) {
        var bytes = text.getBytes(StandardCharsets.UTF_8);
        var ids = new int[bytes.length];
        for (var i = 0; i < ids.length; i++) {
            ids[i] = 2 + (bytes[i] & 0xFF);
        }
        return ids;
    }

    /// Whether the whole text is an answer.
    static boolean accepts(Constraint constraint, String text) {
        var state = constraint.begin();
        for (var id : bytes(text)) {
            if (!state.advance(id)) {
                return false;
            }
        }
        return state.isComplete();
    }
}
