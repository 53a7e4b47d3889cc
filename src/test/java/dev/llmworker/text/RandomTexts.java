package dev.llmworker.text;

import java.util.List;
import java.util.Random;

/// Texts of what tokenizers split, join, compose, drop or look for.
public final class RandomTexts {
    private static final List<String> PARTS = List.of(
            " ",
            " ",
            " ",
            "  ",
            "     ",
            "\n",
            "\n",
            "\n\n",
            "\r\n",
            "\t",
            "\u00a0",
            "\u3000",
            "\u2028",
            "\u200d",
            "a",
            "the",
            "hello",
            "Word",
            "HELLO",
            "'s",
            "'S",
            "'ll",
            "'",
            "don't",
            "1",
            "12",
            "1234567",
            "½",
            "\u0663",
            ".",
            ",",
            "!!",
            "...\n",
            "/",
            "-",
            "_",
            "<",
            "=",
            ">",
            "</",
            "é",
            "e\u0301",
            "\u0301",
            "\u0323\u0302",
            "\u0338",
            "ﬁ",
            "Å",
            "中",
            "中文",
            "。",
            "，",
            "한국",
            "\u1112\u1161\u11ab",
            "\u1161",
            "привет",
            "שלום",
            "ไทย",
            "▁",
            "▁▁",
            "\uFDD0",
            "\uFDD1",
            "\uFDD2",
            "😀",
            "<tool>",
            "<|im_end|>",
            "<|endoftext|>",
            "<s>",
            "</s>",
            "<unk>",
            "<mask>",
            " <mask> ");

    private RandomTexts() {}

    /// @param more parts of the tokenizer's own
    public static String next(Random random, List<String> more, int parts) {
        var text = new StringBuilder();
        for (var i = 0; i < parts; i++) {
            var chosen = !more.isEmpty() && random.nextInt(8) == 0 ? more : PARTS;
            text.append(chosen.get(random.nextInt(chosen.size())));
        }
        return text.toString();
    }
}
