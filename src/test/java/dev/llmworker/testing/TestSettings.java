package dev.llmworker.testing;

import dev.llmworker.assembly.Listening;
import dev.llmworker.serving.port.ListenSettings;
import dev.llmworker.settings.Settings;
import dev.llmworker.settings.SettingsException;
import java.util.HashMap;
import java.util.Map;

/// The one way in which tests make settings: a map of names, for a worker on a free loopback port.
public final class TestSettings {
    private static final Map<String, String> DEFAULTS = Map.of("PORT", "0", "HOST", "127.0.0.1", "DRAIN_TIMEOUT", "0");

    private TestSettings() {}

    /// @param values win over the defaults above
    public static Settings of(Map<String, String> values) throws SettingsException {
        var all = new HashMap<>(DEFAULTS);
        all.putAll(values);
        return Settings.read(all);
    }

    public static ListenSettings listening(Map<String, String> values) throws SettingsException {
        return Listening.settings(of(values));
    }
}
