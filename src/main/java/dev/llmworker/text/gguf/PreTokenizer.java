package dev.llmworker.text.gguf;

import dev.llmworker.text.HuggingFaceEncoder;
import dev.llmworker.weights.Metadata;
import dev.llmworker.weights.ModelFileException;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Collectors;

/// How byte-level BPE splits text into words before it merges within them: GGUF's `tokenizer.ggml.pre`. The
/// patterns are those of the models' own `tokenizer.json`, as regular expressions of the Hugging Face tokenizers.
/// Each pattern splits what the ones before it left.
enum PreTokenizer {
    GPT2(List.of("gpt-2", "phi-2"), Rules.PLAIN, Patterns.GPT2),
    /// llama.cpp's default; also for files older than the key.
    DEFAULT(List.of("default"), Rules.PLAIN, "[\\p{P}\\$\\+<=>\\^~\\|]+", Patterns.GPT2, "\\p{N}+", "[0-9][0-9][0-9]"),
    SMOLLM(List.of("smollm", "starcoder", "refact"), Rules.PLAIN, "\\p{N}", Patterns.GPT2),
    LLAMA3(List.of("llama-bpe", "llama3", "llama-v3", "falcon3"), Rules.WHOLE_WORDS_AND_BEGIN, Patterns.LLAMA3),
    SMAUG(List.of("smaug-bpe"), Rules.PLAIN, Patterns.LLAMA3),
    QWEN2(List.of("qwen2"), Rules.COMPOSED, Patterns.QWEN2),
    DEEPSEEK_QWEN(List.of("deepseek-r1-qwen"), Rules.PLAIN, Patterns.QWEN2),
    TEKKEN(List.of("tekken"), Rules.WHOLE_WORDS_AND_BEGIN, Patterns.TEKKEN);

    /// Rules that come with a pattern.
    private enum Rules {
        PLAIN,
        /// Text is first converted to Unicode's composed form (NFC).
        COMPOSED,
        /// A word that is a token stays that token, whatever the merges would make of it. Unless the file says
        /// otherwise, prompts start with the begin-of-sequence token.
        WHOLE_WORDS_AND_BEGIN
    }

    private static final class Patterns {
        static final String GPT2 = HuggingFaceEncoder.BYTE_LEVEL_REGEX;
        static final String LLAMA3 = "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}"
                + "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
        static final String QWEN2 = "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}"
                + "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
        static final String TEKKEN =
                "[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]*[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]+"
                        + "|[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]+[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]*"
                        + "|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
    }

    private final List<String> names;
    private final Rules rules;
    private final List<String> patterns;

    PreTokenizer(List<String> names, Rules rules, String... patterns) {
        this.names = names;
        this.rules = rules;
        this.patterns = List.of(patterns);
    }

    /// @throws ModelFileException if the file names an unsupported pre-tokenizer
    static PreTokenizer of(Metadata metadata) throws ModelFileException {
        var name = metadata.string("tokenizer.ggml.pre", "default");
        for (var preTokenizer : values()) {
            if (preTokenizer.names.contains(name)) {
                return preTokenizer;
            }
        }
        var supported = Arrays.stream(values())
                .flatMap(preTokenizer -> preTokenizer.names.stream())
                .sorted()
                .collect(Collectors.joining(", "));
        throw new ModelFileException(metadata.file(), "tokenizer.ggml.pre is " + name + "; supported: " + supported);
    }

    List<String> patterns() {
        return patterns;
    }

    boolean composes() {
        return rules == Rules.COMPOSED;
    }

    boolean takesWholeWords() {
        return rules == Rules.WHOLE_WORDS_AND_BEGIN;
    }

    boolean beginsSequences() {
        return rules == Rules.WHOLE_WORDS_AND_BEGIN;
    }
}
