package dev.llmworker.text;

import static org.junit.jupiter.api.Assertions.assertDoesNotThrow;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class SplitRegexTest {
    private static final String LLAMA_3 = "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}"
            + "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";

    @ParameterizedTest
    @ValueSource(
            strings = {
                "(x+x+)+y|[\\s\\S]",
                "(x+)+y",
                "(?:x*)*y",
                "(?:x|x)+y",
                "(?:x|xx)*(?!x)",
                "(?:x?x)+y",
                "(?:x{1,3})+y",
                "x{1,3}+y",
                "(?:x{2,3}){20}y",
                "x*x*y",
                "x+(?=x*y)",
                "(?=(x+x+)+y)a",
                "(?>(x+)+y)z",
                "(?:a|(x+)+y)",
                "x?x?x?x?x?x?x?x?x?x?x?x?x?x?x?x?x?x?x?x?x?x?x?x?xxxxxxxxxxxxy",
                "(x)\\1",
                "(?<a>x\\g<a>?)",
                "(?(x)y)",
                "(?x: x )",
                "\\Xy",
                "[]x]",
                "[x",
                "(x",
                "x)",
                "*x",
                "x\\"
            })
    void whatMayBacktrackWithoutLimitsIsRefused(String regex) {
        assertThrows(IllegalArgumentException.class, () -> new SplitRegex(regex), regex);
    }

    /// Of public models: Llama 3, GPT-2, GPT-4o, DeepSeek, Qwen, Kimi, BLOOM, OLMo, cl100k in its newer form,
    /// StarCoder.
    @Test
    void theExpressionsOfPublicModelsAreAccepted() {
        var upper = "[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]";
        var lower = "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]";
        var ends = "(?i:'s|'t|'re|'ve|'m|'ll|'d)?";
        for (var regex : List.of(
                LLAMA_3,
                HuggingFaceEncoder.BYTE_LEVEL_REGEX,
                "[^\\r\\n\\p{L}\\p{N}]?" + upper + "*" + lower + "+" + ends + "|[^\\r\\n\\p{L}\\p{N}]?" + upper + "+"
                        + lower + "*" + ends
                        + "|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
                "\\p{N}{1,3}",
                "[一-龥\u3040-ゟ゠-ヿ]+",
                "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+"
                        + "| ?[\\p{P}\\p{S}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
                "[\\p{Han}]+|[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{M}&&[^\\p{Han}]]*[\\p{Ll}\\p{M}&&[^\\p{Han}]]+" + ends
                        + "|[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{M}&&[^\\p{Han}]]+[\\p{Ll}\\p{M}&&[^\\p{Han}]]*" + ends,
                " ?[^(\\s|[.,!?…。，、।۔،])]+",
                "'(?i:[sdmt]|ll|ve|re)|[^\\r\\n\\p{L}\\p{N}]?+\\p{L}++|\\p{N}{1,3}+| ?[^\\s\\p{L}\\p{N}]++[\\r\\n]*+"
                        + "|\\s++$|\\s*[\\r\\n]|\\s+(?!\\S)|\\s",
                "(?=(\\d{3})+(?!\\d))",
                "\\p{N}{1,3}(?=(?:\\p{N}{3})*(?:\\P{N}|$))",
                "[0-9][0-9][0-9]",
                "\\s?\\p{L}+",
                "[\r\n]",
                "\\s+$")) {
            assertDoesNotThrow(() -> new SplitRegex(regex), regex);
        }
    }

    @Test
    void aTextIsLimitedByWhatAnAttemptMayGiveBack() {
        var regex = new SplitRegex(LLAMA_3);
        assertDoesNotThrow(() -> regex.check(" ".repeat(1 << 20)));
        var refused = assertThrows(IllegalArgumentException.class, () -> regex.check(" ".repeat(12_000_000)));
        assertTrue(String.valueOf(refused.getMessage()).startsWith("prompt has 12000000 characters"));
    }

    /// Attempts that fail at each place of a run together take the square of its length.
    @ParameterizedTest
    @ValueSource(strings = {"x+y|x", "x++y|[^x]", "x(?=x+)z|x", "(?:x)+y|\\s", "(?>x+)y", "(?=(x{3})+y)", "x+y|x|x+"})
    void runsAreLimitedWhereAttemptsFailAtEachOfTheirPlaces(String source) {
        var regex = new SplitRegex(source);
        assertDoesNotThrow(() -> regex.check("x".repeat(5_000)));
        var refused = assertThrows(IllegalArgumentException.class, () -> regex.check("x".repeat(50_000)), source);
        assertTrue(String.valueOf(refused.getMessage()).startsWith("prompt has a run of 50000 characters"));
    }
}
