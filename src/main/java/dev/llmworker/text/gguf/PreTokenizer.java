package dev.llmworker.text.gguf;

import static dev.llmworker.text.gguf.PreTokenizer.Rule.BEGINS;
import static dev.llmworker.text.gguf.PreTokenizer.Rule.COMPOSED;
import static dev.llmworker.text.gguf.PreTokenizer.Rule.PIECES;
import static dev.llmworker.text.gguf.PreTokenizer.Rule.WHOLE_WORDS;

import dev.llmworker.text.HuggingFaceEncoder;
import dev.llmworker.weights.content.Metadata;
import dev.llmworker.weights.content.ModelFileException;
import java.util.Arrays;
import java.util.List;
import java.util.Set;

/// How BPE splits text into words before it merges within them: GGUF's `tokenizer.ggml.pre`. A row has the names, the
/// rules and the patterns. The names are llama.cpp's. The patterns are those of the models' own `tokenizer.json`, as
/// regular expressions of the Hugging Face tokenizers. Each pattern splits what the ones before it left.
enum PreTokenizer {
    GPT2(
            names("gpt-2 phi-2 exaone4 a.x-4.0 mellum trillion granite-docling jais gigachat"),
            Set.of(),
            HuggingFaceEncoder.BYTE_LEVEL_REGEX),
    OLMO(names("olmo mpt"), Set.of(COMPOSED), HuggingFaceEncoder.BYTE_LEVEL_REGEX),
    /// llama.cpp's default; also for files older than the key.
    DEFAULT(
            names("default"),
            Set.of(),
            "[\\p{P}\\$\\+<=>\\^~\\|]+",
            HuggingFaceEncoder.BYTE_LEVEL_REGEX,
            "\\p{N}+",
            "[0-9][0-9][0-9]"),
    FALCON(
            names("falcon"),
            Set.of(),
            "[\\p{P}\\$\\+<=>\\^~\\|`]+",
            HuggingFaceEncoder.BYTE_LEVEL_REGEX,
            "[0-9][0-9][0-9]"),
    SMOLLM(
            names("smollm starcoder refact codeshell exaone minerva-7b mellum2"),
            Set.of(),
            "\\p{N}",
            HuggingFaceEncoder.BYTE_LEVEL_REGEX),
    COMMAND_R(names("command-r"), Set.of(COMPOSED), "\\p{N}", HuggingFaceEncoder.BYTE_LEVEL_REGEX),
    LLAMA3(
            names("llama-bpe llama3 llama-v3 falcon3 falcon-h1 pixtral midm-2.0 lfm2"),
            Set.of(WHOLE_WORDS, BEGINS),
            Patterns.LLAMA3),
    /// Also SmolLM3 (`smaug-bpe`), OLMo 2 and 3, and Phi-4 (`dbrx`).
    SMAUG(names("smaug-bpe dbrx chatglm-bpe"), Set.of(), Patterns.LLAMA3),
    GLM4(names("glm4"), Set.of(WHOLE_WORDS), Patterns.LLAMA3),
    MINICPM5(names("minicpm5"), Set.of(WHOLE_WORDS), "\\p{N}{1,3}", Patterns.LLAMA3.replace("{1,3}", "+")),
    QWEN2(names("qwen2 f2llmv2"), Set.of(COMPOSED), Patterns.QWEN2),
    DEEPSEEK_QWEN(names("deepseek-r1-qwen megrez kormo stablelm2 hunyuan solar-open grok-2"), Set.of(), Patterns.QWEN2),
    UFAKZEKA(names("ufakzeka"), Set.of(), Patterns.QWEN2.replace(Patterns.CONTRACTIONS + "|", "")),
    LAGUNA(names("laguna"), Set.of(), "[^\\n]+|[\\n]+", Patterns.QWEN2),
    QWEN35(
            names("qwen35"),
            Set.of(COMPOSED),
            Patterns.CONTRACTIONS + "|[^\\r\\n\\p{L}\\p{N}]?[\\p{L}\\p{M}]+|\\p{N}| ?[^\\s\\p{L}\\p{M}\\p{N}]+[\\r\\n]*"
                    + "|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"),
    SEED_CODER(
            names("seed-coder"),
            Set.of(),
            Patterns.CONTRACTIONS + "|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1}| ?[^\\s\\p{L}\\p{N}\\r\\n]+|\\s*[\\r\\n]+"
                    + "|\\s+(?!\\S)|\\s+"),
    BAILING(
            names("bailingmoe bailingmoe2 llada-moe"),
            Set.of(),
            "'(?i:[sdmt]|ll|ve|re)|[^\\r\\n\\p{L}\\p{N}]?+\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]++[\\r\\n]*|\\s*[\\r\\n]"
                    + "|\\s+(?!\\S)|\\s+"),
    TEKKEN(names("tekken"), Set.of(WHOLE_WORDS, BEGINS), Patterns.cased("", "\\p{N}")),
    /// Also gpt-oss and Phi-4-mini.
    GPT4O(
            names("gpt-4o llama4 kanana2 talkie minimax-m2"),
            Set.of(),
            Patterns.cased(Patterns.CONTRACTIONS + "?", "\\p{N}{1,3}")),
    DEEPSEEK_LLM(
            names("deepseek-llm"),
            Set.of(),
            "[\\r\\n]",
            Patterns.LETTERS,
            "\\s?[!-/:-~！-／：-～‘-‟\u3000-。]+",
            "\\s+$",
            Patterns.FAR_EAST,
            "\\p{N}+"),
    DEEPSEEK_CODER(
            names("deepseek-coder"), Set.of(), "[\\r\\n]", "\\s?\\p{L}+", "\\s?\\p{P}+", Patterns.FAR_EAST, "\\p{N}"),
    DEEPSEEK_V3(
            names("deepseek-v3 hunyuan-dense joyai-llm hy_v4"),
            Set.of(),
            "\\p{N}{1,3}",
            "[一-龥\u3040-ゟ゠-ヿ]+",
            "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+"
                    + "| ?[\\p{P}\\p{S}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"),
    VIKING(names("viking"), Set.of(), Patterns.BLOOM, "\\p{N}"),
    BLOOM(names("bloom poro-chat gpt3-finnish"), Set.of(), Patterns.BLOOM),
    SUPER_BPE(names("superbpe"), Set.of(), "\\p{N}+", "(?=(\\d{3})+(?!\\d))"),
    GEMMA4(names("gemma4"), Set.of(PIECES, BEGINS), "[^\\n]+|[\\n]+");

    /// Rules that come with a pattern.
    enum Rule {
        /// Text is first converted to Unicode's composed form (NFC).
        COMPOSED,
        /// A word that is a token stays that token, whatever the merges would make of it.
        WHOLE_WORDS,
        /// Unless the file says otherwise, prompts start with the begin-of-sequence token.
        BEGINS,
        /// Tokens are spelled as in SentencePiece: `▁` is a space, `<0x0A>` a byte. Without it they are spelled in
        /// the letters of byte-level BPE.
        PIECES
    }

    private static final class Patterns {
        static final String CONTRACTIONS = "(?i:'s|'t|'re|'ve|'m|'ll|'d)";
        static final String LLAMA3 = CONTRACTIONS + "|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}"
                + "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
        static final String QWEN2 = LLAMA3.replace("{1,3}", "");
        static final String FAR_EAST = "[一-龥ࠀ-一가-퟿]+";
        static final String BLOOM = " ?[^(\\s|.,!?…。，、।۔،)]+";
        /// All letters with a case.
        static final String LETTERS =
                "\\s?[A-Za-zµÀ-ÖØ-öø-ƺƼ-ƿǄ-ʓʕ-ʯͰ-ͳͶͷͻ-ͽͿΆΈ-ΊΌΎ-ΡΣ-ϵϷ-ҁҊ-ԯԱ-ՖႠ-ჅᎠ-Ᏽᏸ-ᏽᲐ-ᲺᲽ-Ჿᴀ-ᴫᵫ-ᵷᵹ-ᶚḀ"
                        + "-ἕἘ-Ἕἠ-ὅὈ-Ὅὐ-ὗὙὛὝὟ-\u1F7Dᾀ-ᾴᾶ-ᾼ\u1FBEῂ-ῄῆ-ῌῐ-\u1FD3ῖ-\u1FDBῠ-Ῥῲ-ῴῶ-ῼℂℇℊ-ℓℕℙ-ℝℤ\u2126"
                        + "ℨ\u212A-ℭℯ-ℴℹℼ-ℿⅅ-ⅉⅎↃↄⰀ-ⱻⱾ-ⳤⳫ-ⳮⳲⳳꙀ-ꙭꚀ-ꚛꜢ-ꝯꝱ-ꞇꞋ-ꞎꭰ-ꮿﬀ-ﬆﬓ-ﬗＡ-Ｚａ-ｚ𐐀-𐑏𐒰-𐓓𐓘-𐓻𐲀-𐲲𐳀-𐳲𑢠-𑣟𞤀-𞥃"
                        + "]+";

        /// Words begin at capital letters.
        static String cased(String end, String number) {
            var upper = "[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]";
            var lower = "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]";
            var before = "[^\\r\\n\\p{L}\\p{N}]?";
            return before + upper + "*" + lower + "+" + end + "|" + before + upper + "+" + lower + "*" + end + "|"
                    + number + "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
        }
    }

    private final List<String> names;
    private final Set<Rule> rules;
    private final List<String> patterns;

    PreTokenizer(List<String> names, Set<Rule> rules, String... patterns) {
        this.names = names;
        this.rules = rules;
        this.patterns = List.of(patterns);
    }

    private static List<String> names(String names) {
        return List.of(names.split(" "));
    }

    /// @throws ModelFileException if the file names an unsupported pre-tokenizer
    static PreTokenizer of(Metadata metadata) throws ModelFileException {
        var name = metadata.string("tokenizer.ggml.pre", "default");
        for (var preTokenizer : values()) {
            if (preTokenizer.names.contains(name)) {
                return preTokenizer;
            }
        }
        throw new ModelFileException(
                metadata.file(), "tokenizer.ggml.pre is " + name + "; supported: " + String.join(", ", supported()));
    }

    /// The names of all rows, sorted.
    static List<String> supported() {
        return Arrays.stream(values())
                .flatMap(preTokenizer -> preTokenizer.names.stream())
                .sorted()
                .toList();
    }

    List<String> patterns() {
        return patterns;
    }

    boolean has(Rule rule) {
        return rules.contains(rule);
    }
}
