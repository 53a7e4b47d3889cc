package dev.llmworker.settings;

import dev.llmworker.files.TextFile;
import java.io.IOException;
import java.io.StringReader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import java.util.Objects;
import java.util.Properties;
import java.util.regex.Pattern;

/// What the operator wrote: the environment, and `application.properties` beside the routes. A start reads the file
/// once.
///
/// @param environment settings are stripped of what files leave in them: byte order marks, carriage returns, blanks
/// @param file where `application.properties` is, if there is one
/// @param properties the lines of the file
public record SettingsSource(Map<String, String> environment, Path file, Map<String, String> properties) {
    private static final String PROPERTIES = "application.properties";
    /// A file of variables that begins with a byte order mark makes it a part of the first name.
    private static final Pattern MARK = Pattern.compile("^[^\\x00-\\x7F]+");

    private static final Pattern LINE_END = Pattern.compile("\r\n|\r|\n");
    private static final Pattern COMMENT = Pattern.compile("\\s*[#!].*");
    /// A `\` before it is escaped itself if their number is even.
    private static final Pattern WRONG_ESCAPE =
            Pattern.compile("(?<!\\\\)(?:\\\\\\\\)*(\\\\u(?![0-9A-Fa-f]{4})\\w{0,12})");

    public SettingsSource {
        environment = Map.copyOf(environment);
        properties = Map.copyOf(properties);
    }

    /// Reads the file in the folder that `ROUTES` names. It may be missing.
    ///
    /// @throws SettingsException if the file cannot be read, naming the line
    public static SettingsSource read(Map<String, String> environment) throws SettingsException {
        var cleaned = cleaned(environment);
        var routes = Objects.requireNonNull(SettingsTable.ROUTES.parse(cleaned.get(SettingsTable.ROUTES.name())));
        var file = Path.of(routes).resolve(PROPERTIES);
        return new SettingsSource(cleaned, file, properties(file));
    }

    /// Everything that is set, by name and unchecked. The environment wins.
    public Map<String, String> values() {
        var values = new HashMap<>(properties);
        values.putAll(environment);
        return values;
    }

    private static Map<String, String> cleaned(Map<String, String> environment) {
        var cleaned = new HashMap<String, String>();
        environment.forEach((name, value) -> {
            var meant = MARK.matcher(name).replaceFirst("");
            if (!SettingsTable.NAMES.contains(meant)) {
                cleaned.put(name, value);
            } else if (meant.equals(name) || !environment.containsKey(meant)) {
                cleaned.put(meant, TextFile.withoutMark(value).strip());
            }
        });
        return cleaned;
    }

    private static Map<String, String> properties(Path file) throws SettingsException {
        var values = new HashMap<String, String>();
        if (Files.isRegularFile(file)) {
            var properties = new Properties();
            try {
                var text = TextFile.text(Files.readAllBytes(file));
                check(file, text);
                properties.load(new StringReader(text));
            } catch (IOException | IllegalArgumentException e) {
                throw new SettingsException(file + " cannot be read: " + e.getMessage());
            }
            properties.stringPropertyNames().forEach(name -> values.put(name, properties.getProperty(name)));
        }
        return values;
    }

    /// Java's reader takes unreadable bytes as they are, and does not say where an escape is wrong.
    private static void check(Path file, String text) throws SettingsException {
        var number = 0;
        for (var line : LINE_END.split(text)) {
            number++;
            if (COMMENT.matcher(line).matches()) {
                continue;
            }
            if (line.indexOf(TextFile.UNREADABLE) >= 0) {
                throw new SettingsException(file + " line " + number + " is not UTF-8; save the file as UTF-8");
            }
            var wrong = WRONG_ESCAPE.matcher(line);
            if (wrong.find()) {
                throw new SettingsException(file + " line " + number + " has " + wrong.group(1)
                        + ": \\u must be followed by four hexadecimal digits. If you mean a backslash, write \\\\");
            }
        }
    }
}
