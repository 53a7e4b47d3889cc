package dev.llmworker.text.hub;

import com.fasterxml.jackson.databind.JsonNode;
import dev.llmworker.text.ByteAlphabet;
import dev.llmworker.text.FewestTokens;
import dev.llmworker.text.HuggingFaceEncoder;
import dev.llmworker.text.ModelTokenizer;
import dev.llmworker.text.TextPieces;
import dev.llmworker.weights.content.ModelFileException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/// Checks that a `tokenizer.json` has only parts that the supported families use. The Hugging Face tokenizers
/// abort the whole process if some other parts contradict themselves.
final class TokenizerParts {
    private static final Map<String, Set<String>> STEPS = Map.of(
            "normalizer", Set.of("NFC", "NFKC", "NFD", "NFKD", "Prepend", "Replace"),
            "pre_tokenizer", Set.of("ByteLevel", "Digits", "Metaspace", "Split"));
    private static final Map<String, String> SEQUENCES =
            Map.of("normalizer", "normalizers", "pre_tokenizer", "pretokenizers");
    /// Of the model.
    private static final List<String> WITHOUT = List.of("continuing_subword_prefix", "end_of_word_suffix", "dropout");

    /// Characters that a step may put in at one place, and how much longer all steps together may make a text.
    private static final int MAX_ADDED = 32;

    private static final int MAX_GROWTH = 16;

    private TokenizerParts() {}

    static void check(TokenizerFile file, Set<String> added) throws ModelFileException {
        var type = file.part("model.type").asText("BPE");
        if (!type.equals("BPE")) {
            throw file.problem("model.type", "is " + type + "; supported: BPE");
        }
        for (var name : WITHOUT) {
            var part = file.part("model." + name);
            if (!part.isMissingNode() && !part.asText().isEmpty()) {
                throw file.problem("model." + name, "is " + part + "; supported: none");
            }
        }
        var unknown = file.part("model.unk_token");
        var names = file.vocabulary().keySet();
        if (!unknown.isMissingNode()
                && !names.contains(unknown.asText())
                && !added.contains(unknown.asText())
                && !ByteAlphabet.isIn(names)) {
            // The tokenizers library would fail at the first text that needs it.
            throw file.problem("model.unk_token", "is " + unknown + ", which model.vocab does not have");
        }
        for (var part : STEPS.entrySet()) {
            var name = part.getKey();
            for (var step : HubTokenizer.steps(file.part(name), SEQUENCES.getOrDefault(name, ""))) {
                if (!part.getValue().contains(step.path("type").asText())) {
                    throw file.problem(
                            name,
                            "has " + step.path("type") + "; supported: " + String.join(", ", sorted(part.getValue())));
                }
            }
        }
        checkReplacements(file);
    }

    /// Refuses steps that make a long text much longer. The library would need more memory than there is, and end the
    /// process.
    private static void checkReplacements(TokenizerFile file) throws ModelFileException {
        var growth = 1.0;
        for (var step : HubTokenizer.steps(file.part("normalizer"), "normalizers")) {
            var added = step.path("prepend").asText().length();
            if (step.path("type").asText().equals("Replace")) {
                var replaced = step.path("pattern").path("String");
                if (replaced.isTextual() && replaced.textValue().isEmpty()) {
                    throw file.problem("normalizer", "replaces an empty text");
                }
                added = step.path("content").asText().length();
                growth *= Math.max(
                        1.0, (double) added / Math.max(1, replaced.asText().length()));
            }
            if (added > MAX_ADDED || growth > MAX_GROWTH) {
                throw file.problem(
                        "normalizer",
                        "makes texts too long: a step may add " + MAX_ADDED
                                + " characters, and all together make a text " + MAX_GROWTH + " times as long");
            }
        }
    }

    /// The regular expressions of all steps.
    static List<String> regexes(TokenizerFile file) {
        var regexes = new ArrayList<String>();
        for (var part : STEPS.keySet()) {
            for (var step : HubTokenizer.steps(file.part(part), SEQUENCES.getOrDefault(part, ""))) {
                var regex = step.path("pattern").path("Regex");
                if (regex.isTextual()) {
                    regexes.add(regex.textValue());
                }
                if (step.path("type").asText().equals("ByteLevel")
                        && step.path("use_regex").asBoolean(true)) {
                    regexes.add(HuggingFaceEncoder.BYTE_LEVEL_REGEX);
                }
            }
        }
        return regexes;
    }

    /// How texts for these tokens may be cut.
    static TextPieces pieces(TokenizerFile file, EncoderJson.Tokens tokens, ModelTokenizer.Spelling spelling, int least)
            throws ModelFileException {
        var normalizers = HubTokenizer.steps(file.part("normalizer"), "normalizers");
        var steps = HubTokenizer.steps(file.part("pre_tokenizer"), "pretokenizers");
        var names = Stream.concat(tokens.text(), tokens.numbered())
                .map(token ->
                        new TextPieces.Name(token.getKey(), token.getValue().looksAround()))
                .toList();
        var regexes = regexes(file);
        return switch (spelling) {
            case BYTE_LEVEL -> {
                if (normalizers.stream().allMatch(TokenizerParts::composes)
                        && IntStream.range(0, steps.size()).allMatch(i -> splits(steps, i))) {
                    var digits = steps.stream().anyMatch(step -> type(step).equals("Digits"));
                    var all = Stream.concat(regexes.stream(), digits ? Stream.of("\\p{N}+") : Stream.of());
                    var prefixed = steps.stream()
                            .anyMatch(step -> type(step).equals("ByteLevel")
                                    && step.path("add_prefix_space").asBoolean(true));
                    yield TextPieces.byRegexes(all.toList(), prefixed, names, least, file.file());
                }
                yield TextPieces.whole(regexes, file.file());
            }
            case SENTENCE_PIECE -> {
                if (regexes.isEmpty()
                        && normalizers.stream().allMatch(TokenizerParts::spaces)
                        && steps.stream().allMatch(TokenizerParts::isByOneCharacter)) {
                    var prepends =
                            normalizers.stream().anyMatch(step -> type(step).equals("Prepend"));
                    yield TextPieces.byVocabulary(file.vocabulary().keySet(), prepends, names, least);
                }
                yield TextPieces.whole(regexes, file.file());
            }
        };
    }

    private static String type(JsonNode step) {
        return step.path("type").asText();
    }

    private static boolean composes(JsonNode normalizer) {
        return Set.of("NFC", "NFKC").contains(type(normalizer));
    }

    /// Whether a step splits at the borders of matches, on the text as it is.
    private static boolean splits(List<JsonNode> steps, int i) {
        var step = steps.get(i);
        return switch (type(step)) {
            case "Split" ->
                step.path("pattern").has("Regex")
                        && Set.of("Isolated", "Removed")
                                .contains(step.path("behavior").asText());
            case "Digits" -> true;
            // The steps after it get other characters.
            case "ByteLevel" -> i == steps.size() - 1;
            default -> false;
        };
    }

    /// Whether a step looks at single characters.
    private static boolean isByOneCharacter(JsonNode step) {
        var pattern = step.path("pattern").path("String").asText();
        return type(step).equals("Metaspace")
                || type(step).equals("Split") && pattern.codePointCount(0, pattern.length()) == 1;
    }

    /// How the tokens of `file` cover a text; null if a byte may be in no token, or if a control token's name in a
    /// text need not become that token.
    static FewestTokens.@Nullable Covering covering(
            TokenizerFile file, EncoderJson.Tokens tokens, ModelTokenizer.Spelling spelling) {
        var normalizers = HubTokenizer.steps(file.part("normalizer"), "normalizers");
        var drops = HubTokenizer.steps(file.part("pre_tokenizer"), "pretokenizers").stream()
                        .anyMatch(step -> step.path("behavior").asText().equals("Removed"))
                || Stream.concat(tokens.text(), tokens.numbered())
                        .anyMatch(token ->
                                token.getValue().leftStrip() || token.getValue().rightStrip())
                || tokens.control().values().stream()
                        .anyMatch(token -> token.singleWord() || token.normalized() && !normalizers.isEmpty())
                || tokens.text()
                        .anyMatch(text -> tokens.control().keySet().stream().anyMatch(text.getKey()::contains));
        if (drops) {
            return null;
        }
        return switch (spelling) {
            case BYTE_LEVEL -> {
                if (normalizers.stream()
                        .allMatch(step -> step.path("type").asText().equals("NFC"))) {
                    yield normalizers.isEmpty() ? FewestTokens.Covering.AS_IT_IS : FewestTokens.Covering.COMPOSED;
                }
                yield null;
            }
            case SENTENCE_PIECE -> {
                // Without byte tokens, a run of unknown characters may become a single token that stands for all
                // of them.
                var known = file.part("model.byte_fallback").asBoolean()
                        && normalizers.stream().allMatch(TokenizerParts::spaces);
                yield known ? FewestTokens.Covering.SPACED : null;
            }
        };
    }

    /// Whether a normalizer only writes spaces as SentencePiece does.
    static boolean spaces(JsonNode normalizer) {
        return switch (normalizer.path("type").asText()) {
            case "Prepend" -> normalizer.path("prepend").asText().equals("▁");
            case "Replace" ->
                normalizer.path("pattern").path("String").asText().equals(" ")
                        && normalizer.path("content").asText().equals("▁");
            default -> false;
        };
    }

    private static List<String> sorted(Set<String> names) {
        return names.stream().sorted().toList();
    }
}
