package dev.llmworker.settings;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/// Finds names that look like settings and are none, such as `MAX_SLOT`.
public final class UnknownSettings {
    private static final Pattern UPPER_CASE = Pattern.compile("[A-Z][A-Z0-9_]*");
    /// Camel's placeholders in routes: `{{NAME}}`, `{{NAME:default}}`, `{{env:NAME}}`.
    private static final Pattern PLACEHOLDER = Pattern.compile("\\{\\{([^}]*)}}");

    private static final Pattern WORD = Pattern.compile("[A-Za-z0-9_.-]+");
    /// Names that are no longer have too many neighbours that mean something else: MODE, PORTS, POST.
    private static final int SHORT = 5;

    private UnknownSettings() {}

    /// One sentence for each upper-case key of `application.properties` that is no setting, and for each environment
    /// variable that is one edit away from a setting. Names that a route uses as a placeholder are left out.
    public static List<String> warnings(SettingsSource source) throws SettingsException {
        var file = source.file();
        var environment = source.environment();
        var found = new TreeMap<String, String>();
        for (var name : new TreeSet<>(environment.keySet())) {
            var meant = SettingsTable.NAMES.contains(name) ? null : neighbour(name, SHORT);
            if (meant != null) {
                found.put(name, name + " is no setting; did you mean " + meant + "?");
            }
        }
        for (var name : new TreeSet<>(source.properties().keySet())) {
            if (UPPER_CASE.matcher(name).matches() && !SettingsTable.NAMES.contains(name)) {
                var meant = neighbour(name, 0);
                var end = meant == null ? ", and no route uses {{" + name + "}}" : "; did you mean " + meant + "?";
                found.put(name, name + " in " + file + " is no setting" + end);
            }
        }
        if (!found.isEmpty()) {
            found.keySet().removeAll(placeholders(file.resolveSibling("")));
        }
        return List.copyOf(found.values());
    }

    /// The setting that is one edit away; null if there is none.
    ///
    /// @param shortLength a setting of this length or less is found only if two of its letters are swapped
    private static @Nullable String neighbour(String name, int shortLength) {
        return SettingsTable.users()
                .map(Setting::name)
                .filter(setting -> NearNames.areSwapped(name, setting)
                        || (setting.length() > shortLength && NearNames.isOneEdit(name, setting)))
                .findFirst()
                .orElse(null);
    }

    /// Every name in a placeholder of a route or of `application.properties`.
    private static List<String> placeholders(Path folder) throws SettingsException {
        var names = new ArrayList<String>();
        var start = folder.toString().isEmpty() ? Path.of(".") : folder;
        if (!Files.isDirectory(start)) {
            return names;
        }
        try (var files = Files.list(start)) {
            for (var file : files.filter(UnknownSettings::mayUsePlaceholders).toList()) {
                // The names are ASCII, and every file can be read as this: what is wrong with a route is not said here.
                var text = Files.readString(file, StandardCharsets.ISO_8859_1);
                for (var placeholder : PLACEHOLDER.matcher(text).results().toList()) {
                    WORD.matcher(placeholder.group(1)).results().forEach(word -> names.add(word.group()));
                }
            }
        } catch (IOException e) {
            throw new SettingsException("ROUTES is \"" + start + "\", which cannot be read: " + e.getMessage());
        }
        return names;
    }

    private static boolean mayUsePlaceholders(Path file) {
        var name = file.getFileName().toString();
        return Files.isRegularFile(file) && (name.endsWith(".yaml") || name.endsWith(".properties"));
    }
}
