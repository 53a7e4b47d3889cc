package dev.llmworker.settings;

import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/// What the operator chose, checked against [SettingsTable]. An environment variable wins over a line of
/// `application.properties`, which lies beside the routes.
public final class Settings {
    private final Map<String, String> values;
    private final Map<String, String> properties;

    private Settings(Map<String, String> values, Map<String, String> properties) {
        this.values = Map.copyOf(values);
        this.properties = properties;
    }

    /// The settings of the environment and of the file in the folder that `ROUTES` names.
    ///
    /// @throws SettingsException if a value is not allowed, naming the setting, the value and its limits
    public static Settings read(Map<String, String> environment) throws SettingsException {
        return of(SettingsSource.read(environment));
    }

    /// @throws SettingsException if a value is not allowed
    public static Settings of(SettingsSource source) throws SettingsException {
        return new Settings(checked(source.values()), source.properties());
    }

    /// Exactly these values: no file is read.
    public static Settings of(Map<String, String> values) throws SettingsException {
        return new Settings(checked(values), Map.of());
    }

    private static Map<String, String> checked(Map<String, String> values) throws SettingsException {
        for (var setting : SettingsTable.NEVER_EMPTY.entrySet()) {
            var name = setting.getKey().name();
            var value = values.get(name);
            if (value != null && value.isBlank()) {
                throw new SettingsException(name + " is set but empty, and would protect nothing; give it a value, or"
                        + " unset it to " + setting.getValue());
            }
        }
        for (var setting : SettingsTable.all().toList()) {
            setting.parse(values.get(setting.name()));
        }
        return values;
    }

    /// The lines of `application.properties`: settings, and what else Camel and the routes read there.
    public Map<String, String> properties() {
        return properties;
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
        if (!SettingsTable.NAMES.contains(name)) {
            throw new IllegalArgumentException(name + " is missing in SettingsTable");
        }
        return values.get(name);
    }
}
