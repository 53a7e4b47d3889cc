package dev.llmworker.text;

import dev.llmworker.weights.ModelFileException;
import java.util.List;
import java.util.Map;
import java.util.Set;

/// That a `tokenizer.json` has only parts that the supported families have. The Hugging Face tokenizers end the whole
/// process when some others contradict themselves.
final class TokenizerParts {
    private static final Map<String, Set<String>> STEPS = Map.of(
            "normalizer", Set.of("NFC", "NFKC", "NFD", "NFKD", "Prepend", "Replace"),
            "pre_tokenizer", Set.of("ByteLevel", "Digits", "Metaspace", "Split"));
    private static final Map<String, String> SEQUENCES =
            Map.of("normalizer", "normalizers", "pre_tokenizer", "pretokenizers");
    /// Of the model.
    private static final List<String> WITHOUT = List.of("continuing_subword_prefix", "end_of_word_suffix", "dropout");

    private TokenizerParts() {}

    static void check(TokenizerFile file) throws ModelFileException {
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
    }

    private static List<String> sorted(Set<String> names) {
        return names.stream().sorted().toList();
    }
}
