package dev.llmworker.hub;

import dev.llmworker.hub.download.ModelUnavailableException;
import dev.llmworker.weights.GgufParts;
import java.util.Collection;
import java.util.regex.Pattern;
import java.util.stream.Collectors;

/// Chooses the file of a folder or a repository that is the model.
final class GgufChoice {
    static final String SUFFIX = ".gguf";
    private static final int MAX_LISTED = 30;

    /// A text that means itself in a shell.
    private static final Pattern PLAIN = Pattern.compile("[A-Za-z0-9_./:@%+=,-]+");

    private GgufChoice() {}

    /// The only GGUF model among `names`: its file, or the first one of several.
    ///
    /// @param model the value of `MODEL`
    /// @param separator goes between the model and a file's name
    static String only(Collection<String> names, String model, String separator) throws ModelUnavailableException {
        var candidates = names.stream()
                .filter(name -> name.endsWith(SUFFIX))
                .map(name -> GgufParts.all(name).getFirst())
                .distinct()
                .sorted()
                .toList();
        if (candidates.isEmpty()) {
            throw new ModelUnavailableException("MODEL=" + model
                    + " has no .gguf file, and no model in safetensors: it lacks " + SafetensorsFiles.missing(names));
        }
        if (candidates.size() > 1) {
            var listed = candidates.stream()
                    .limit(MAX_LISTED)
                    .map(name -> "\n  MODEL=" + shellWord(model + separator + name))
                    .collect(Collectors.joining());
            var rest = candidates.size() > MAX_LISTED ? "\n  and " + (candidates.size() - MAX_LISTED) + " more" : "";
            throw new ModelUnavailableException(
                    "MODEL=" + model + " has " + candidates.size() + " .gguf files; name one of them:" + listed + rest);
        }
        return candidates.getFirst();
    }

    /// Rejects a file of a model in several ones that is not the first, and one whose others are missing.
    ///
    /// @param names of all files that there are, with their folders
    static void requireWhole(String name, Collection<String> names, String model) throws ModelUnavailableException {
        var all = GgufParts.all(name);
        if (!name.equals(all.getFirst())) {
            throw new ModelUnavailableException("MODEL=" + model + ": " + name + " is one of " + all.size()
                    + " parts; name the first, " + all.getFirst());
        }
        var missing = all.stream().filter(part -> !names.contains(part)).toList();
        if (!missing.isEmpty() && all.size() > 1) {
            throw new ModelUnavailableException("MODEL=" + model + " lacks "
                    + missing.stream().limit(MAX_LISTED).collect(Collectors.joining(", ")) + " of " + all.size()
                    + " parts");
        }
    }

    /// A text as a user must write it in a shell: itself if it means itself, or else in single quotes.
    static String shellWord(String text) {
        return PLAIN.matcher(text).matches() ? text : "'" + text.replace("'", "'\\''") + "'";
    }
}
