package dev.llmworker.hub;

import dev.llmworker.hub.download.ModelUnavailableException;
import java.util.Collection;
import java.util.regex.Pattern;
import java.util.stream.Collectors;

/// Chooses the file of a folder or a repository that is the model.
final class GgufChoice {
    static final String SUFFIX = ".gguf";
    private static final Pattern PART = Pattern.compile(".*-\\d{5}-of-(\\d{5})\\.gguf");
    private static final int MAX_LISTED = 30;

    /// A text that means itself in a shell.
    private static final Pattern PLAIN = Pattern.compile("[A-Za-z0-9_./:@%+=,-]+");

    private GgufChoice() {}

    /// The only GGUF file among `names`.
    ///
    /// @param model the value of `MODEL`
    /// @param separator goes between the model and a file's name
    static String only(Collection<String> names, String model, String separator) throws ModelUnavailableException {
        var candidates =
                names.stream().filter(name -> name.endsWith(SUFFIX)).sorted().toList();
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

    /// Rejects one part of a model in parts.
    static void requireWhole(String name, String model) throws ModelUnavailableException {
        var part = PART.matcher(name);
        if (part.matches() && !part.group(1).equals("00001")) {
            var first = name.replaceFirst("-\\d{5}-of-", "-00001-of-");
            throw new ModelUnavailableException("MODEL=" + model + ": " + name + " is one of "
                    + Integer.parseInt(part.group(1)) + " parts; join them into one file: `llama-gguf-split --merge "
                    + first + " model.gguf`");
        }
    }

    /// A text as a user must write it in a shell: itself if it means itself, or else in single quotes.
    static String shellWord(String text) {
        return PLAIN.matcher(text).matches() ? text : "'" + text.replace("'", "'\\''") + "'";
    }
}
