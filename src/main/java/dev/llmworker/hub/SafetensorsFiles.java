package dev.llmworker.hub;

import dev.llmworker.weights.Safetensors;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// Lists the files that make up a model in safetensors.
final class SafetensorsFiles {
    static final String SINGLE = "model.safetensors";
    static final String INDEX = "model.safetensors.index.json";

    private static final List<String> REQUIRED = List.of("config.json", "tokenizer.json");
    private static final List<String> OPTIONAL = List.of(
            "generation_config.json",
            "tokenizer_config.json",
            "special_tokens_map.json",
            "added_tokens.json",
            "chat_template.jinja",
            "chat_template.json",
            "additional_chat_templates/tool_use.jinja",
            // Of models that make vectors of texts, by sentence-transformers.
            "modules.json",
            "1_Pooling/config.json",
            "2_Dense/config.json",
            "2_Dense/model.safetensors",
            "3_Dense/config.json",
            "3_Dense/model.safetensors",
            // What only other servers read, such as one of ENGINE_COMMAND.
            "tokenizer.model",
            "vocab.json",
            "merges.txt",
            "preprocessor_config.json",
            "processor_config.json",
            "video_preprocessor_config.json",
            "quantize_config.json");

    private SafetensorsFiles() {}

    /// Whether a file name means a model in safetensors, even if the repository also has GGUF files.
    static boolean isNamed(@Nullable String file) {
        return SINGLE.equals(file) || INDEX.equals(file);
    }

    static boolean areAmong(Collection<String> names) {
        return names.containsAll(REQUIRED) && (names.contains(SINGLE) || names.contains(INDEX));
    }

    /// The required names that a repository without GGUF files lacks.
    static String missing(Collection<String> names) {
        var missing = new ArrayList<>(REQUIRED);
        missing.removeIf(names::contains);
        if (!names.contains(SINGLE) && !names.contains(INDEX)) {
            missing.add(SINGLE);
        }
        return String.join(", ", missing);
    }

    /// The files to download before the weights. An index comes last, because it lists the weights.
    static List<String> small(Collection<String> names) {
        var small = new ArrayList<>(REQUIRED);
        OPTIONAL.stream().filter(names::contains).forEach(small::add);
        if (!names.contains(SINGLE)) {
            small.add(INDEX);
        }
        return small;
    }

    /// The weights files.
    ///
    /// @param folder has the index, if there is one
    static Collection<String> weights(Path folder) throws IOException {
        var index = folder.resolve(INDEX);
        return Files.exists(index) ? Safetensors.shards(index) : List.of(SINGLE);
    }

    /// Whether a folder has all required files. A cache may hold only the files that somebody asked for, or part
    /// of a download.
    static boolean areIn(Path folder) throws IOException {
        var needed = new ArrayList<>(REQUIRED);
        if (Files.isRegularFile(folder.resolve(SINGLE))) {
            needed.add(SINGLE);
        } else if (Files.isRegularFile(folder.resolve(INDEX))) {
            needed.addAll(Safetensors.shards(folder.resolve(INDEX)));
        } else {
            return false;
        }
        return needed.stream().allMatch(name -> Files.isRegularFile(folder.resolve(name)));
    }
}
