package dev.llmworker.hub;

import dev.llmworker.weights.Safetensors;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// Which files a model in safetensors is made of.
final class SafetensorsFiles {
    static final String SINGLE = "model.safetensors";
    static final String INDEX = "model.safetensors.index.json";

    private static final List<String> REQUIRED = List.of("config.json", "tokenizer.json");
    private static final List<String> OPTIONAL = List.of(
            "generation_config.json", "tokenizer_config.json", "special_tokens_map.json", "chat_template.jinja");

    private SafetensorsFiles() {}

    /// Whether a file that is named means such a model, where there is another in GGUF too.
    static boolean isNamed(@Nullable String file) {
        return SINGLE.equals(file) || INDEX.equals(file);
    }

    static boolean areAmong(Collection<String> names) {
        return names.containsAll(REQUIRED) && (names.contains(SINGLE) || names.contains(INDEX));
    }

    /// What is missing among the names of a repository without GGUF files.
    static String missing(Collection<String> names) {
        var missing = new ArrayList<>(REQUIRED);
        missing.removeIf(names::contains);
        if (!names.contains(SINGLE) && !names.contains(INDEX)) {
            missing.add(SINGLE);
        }
        return String.join(", ", missing);
    }

    /// Those that are to be fetched before the weights; an index last, for it says which those are.
    static List<String> small(Collection<String> names) {
        var small = new ArrayList<>(REQUIRED);
        OPTIONAL.stream().filter(names::contains).forEach(small::add);
        if (!names.contains(SINGLE)) {
            small.add(INDEX);
        }
        return small;
    }

    /// The files of the weights.
    ///
    /// @param folder with the index, where there is one
    static Collection<String> weights(Path folder) throws IOException {
        var index = folder.resolve(INDEX);
        return Files.exists(index) ? Safetensors.shards(index) : List.of(SINGLE);
    }

    /// Whether a folder has all that the model cannot do without. A cache may hold only what somebody asked for, or a
    /// part of a download.
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
