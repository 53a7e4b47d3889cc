package dev.llmworker.settings;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import java.util.Objects;
import java.util.Properties;
import java.util.Set;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/// What the operator chose, checked against [SettingsTable]. An environment variable wins over a line of
/// `application.properties`, which lies beside the routes.
public final class Settings {
    private static final String PROPERTIES = "application.properties";
    private static final Set<String> NAMES =
            SettingsTable.all().map(Setting::name).collect(Collectors.toUnmodifiableSet());

    private final Map<String, String> values;

    private Settings(Map<String, String> values) {
        this.values = Map.copyOf(values);
    }

    /// The settings of the environment and of the file in the folder that `ROUTES` names.
    ///
    /// @throws SettingsException if a value is not allowed, naming the setting, the value and its limits
    public static Settings read(Map<String, String> environment) throws SettingsException {
        return of(values(environment));
    }

    /// Exactly these values: no file is read.
    public static Settings of(Map<String, String> values) throws SettingsException {
        for (var setting : SettingsTable.all().toList()) {
            setting.parse(values.get(setting.name()));
        }
        return new Settings(values);
    }

    /// Everything that is set, by name and unchecked.
    public static Map<String, String> values(Map<String, String> environment) throws SettingsException {
        var values = new HashMap<>(properties(file(environment)));
        values.putAll(environment);
        return values;
    }

    /// Where `application.properties` is, if there is one.
    static Path file(Map<String, String> environment) throws SettingsException {
        var routes = Objects.requireNonNull(SettingsTable.ROUTES.parse(environment.get(SettingsTable.ROUTES.name())));
        return Path.of(routes).resolve(PROPERTIES);
    }

    /// The lines of a file; none if it does not exist.
    static Map<String, String> properties(Path file) throws SettingsException {
        var values = new HashMap<String, String>();
        if (Files.isRegularFile(file)) {
            var properties = new Properties();
            try (var reader = Files.newBufferedReader(file)) {
                properties.load(reader);
            } catch (IOException | IllegalArgumentException e) {
                throw new SettingsException(file + " cannot be read: " + e.getMessage());
            }
            properties.stringPropertyNames().forEach(name -> values.put(name, properties.getProperty(name)));
        }
        return values;
    }

    /// The value of a setting, or its default.
    ///
    /// @param setting one that has a default; the others need [#orNull(Setting)]
    public <T> T get(Setting<T> setting) {
        return Objects.requireNonNull(orNull(setting), setting.name());
    }

    /// The value of a setting, or its default; null if it has neither.
    public <T> @Nullable T orNull(Setting<T> setting) {
        try {
            return setting.parse(value(setting.name()));
        } catch (SettingsException e) {
            throw new IllegalStateException("a setting that was accepted at the start is refused now", e);
        }
    }

    /// The text of a setting as it was given; null if it was not.
    ///
    /// @throws IllegalArgumentException if the table has no such setting
    public @Nullable String value(String name) {
        if (!NAMES.contains(name)) {
            throw new IllegalArgumentException(name + " is missing in SettingsTable");
        }
        return values.get(name);
    }
}
