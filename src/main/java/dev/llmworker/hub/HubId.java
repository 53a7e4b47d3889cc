package dev.llmworker.hub;

import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/// A model on the Hugging Face hub: `org/name`, or `org/name:file.gguf`.
///
/// The names become paths and URLs, so only harmless characters are allowed, and no segment begins with a dot.
///
/// @param file the file, with `/` if it is in a folder of the repository; null if none is named
record HubId(String organisation, String name, @Nullable String file) {
    private static final String SEGMENT = "[A-Za-z0-9_][A-Za-z0-9._+-]{0,199}";
    private static final Pattern FORM =
            Pattern.compile("(?<org>" + SEGMENT + ")/(?<name>" + SEGMENT + ")(:(?<file>[^:]+))?");
    private static final Pattern FILE = Pattern.compile(SEGMENT + "(/" + SEGMENT + "){0,4}");

    /// @return null if the text is not an id
    static @Nullable HubId parse(String text) {
        var matcher = FORM.matcher(text);
        if (!matcher.matches()) {
            return null;
        }
        var organisation = matcher.group("org");
        var name = matcher.group("name");
        var file = matcher.group("file");
        // The hub forbids `--` and `..` in names. In folder names of the cache, `--` stands for the slash.
        var clear = !(organisation + name).contains("..") && !organisation.contains("--") && !name.contains("--");
        return clear && (file == null || isFileName(file)) ? new HubId(organisation, name, file) : null;
    }

    static boolean isFileName(String text) {
        return FILE.matcher(text).matches();
    }

    /// `org/name`.
    String repository() {
        return organisation + "/" + name;
    }

    /// The repository's folder in a cache.
    String folderName() {
        return "models--" + organisation + "--" + name;
    }

    @Override
    public String toString() {
        return file == null ? repository() : repository() + ":" + file;
    }
}
