package dev.llmworker.weights;

import dev.llmworker.weights.content.ModelFileException;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.regex.Pattern;
import java.util.stream.IntStream;

/// The names of the files of a model that `llama-gguf-split` has split: `NAME-00001-of-00003.gguf`. The first one has
/// all metadata.
public final class GgufParts {
    /// The largest known models have about 50 files.
    public static final int MAX_PARTS = 1024;

    private static final Pattern NAME = Pattern.compile("(?<stem>.*)-(?<part>\\d{5})-of-(?<count>\\d{5})\\.gguf");

    private GgufParts() {}

    /// Whether a name is that of one of several files.
    public static boolean isOne(String name) {
        var parts = NAME.matcher(name);
        return parts.matches() && count(parts.group("count")) > 1;
    }

    /// The names of all files of a model, the first one first; of one in a single file only its own.
    ///
    /// @param name of any of them, perhaps with folders before it
    public static List<String> all(String name) {
        var parts = NAME.matcher(name);
        if (!isOne(name) || !parts.matches()) {
            return List.of(name);
        }
        var count = count(parts.group("count"));
        return IntStream.rangeClosed(1, Math.min(count, MAX_PARTS))
                .mapToObj(part -> String.format(Locale.ROOT, "%s-%05d-of-%05d.gguf", parts.group("stem"), part, count))
                .toList();
    }

    /// A name without what tells the parts apart: `NAME.gguf`.
    public static String joined(String name) {
        var parts = NAME.matcher(name);
        return parts.matches() ? parts.group("stem") + ".gguf" : name;
    }

    /// The files of a model.
    ///
    /// @param first the file whose metadata say that it is number `part` of `count`, counted from 0
    static List<Path> files(Path first, int count, int part) throws ModelFileException {
        if (count > MAX_PARTS) {
            throw new ModelFileException(
                    first, "is of a model in " + count + " files; at most " + MAX_PARTS + " can be read");
        }
        var name = first.getFileName().toString();
        var all = all(name);
        if (part != 0) {
            throw new ModelFileException(
                    first,
                    "is part " + (part + 1L) + " of a model in " + count + " files; open the first one"
                            + (all.size() == count ? ", " + all.getFirst() : ""));
        }
        if (all.size() != count || !name.equals(all.getFirst())) {
            throw new ModelFileException(
                    first,
                    "is the first of " + count + " files, and its name must end in "
                            + String.format(Locale.ROOT, "-%05d-of-%05d.gguf", 1, count)
                            + ", so that the others are found");
        }
        return all.stream().map(first::resolveSibling).toList();
    }

    private static int count(String digits) {
        return Integer.parseInt(digits);
    }
}
