package dev.llmworker.settings;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

class SettingsTableTest {
    @Test
    void eachNameIsThereOnce() {
        var names = SettingsTable.all().map(Setting::name).toList();
        assertEquals(new HashSet<>(names).size(), names.size(), names::toString);
    }

    @Test
    void everySettingThatTheWorkerReadsIsInASection() throws Exception {
        var constants = new ArrayList<Setting<?>>();
        for (var field : SettingsTable.class.getDeclaredFields()) {
            if (field.getType() == Setting.class) {
                var setting = (Setting<?>) field.get(null);
                constants.add(setting);
                assertEquals(field.getName(), setting.name());
            }
        }
        assertTrue(constants.containsAll(List.of(SettingsTable.PORT, SettingsTable.LOG_LEVEL)));
        assertTrue(SettingsTable.all().toList().containsAll(constants));
    }

    @Test
    void everyDefaultIsAllowed() throws Exception {
        for (var setting : SettingsTable.all().toList()) {
            setting.parse(null);
        }
    }

    @Test
    void helpIsOneLine() {
        SettingsTable.all().forEach(setting -> {
            assertFalse(setting.help().isBlank(), setting.name());
            assertFalse(setting.help().contains("\n"), setting.name());
        });
    }

    @Test
    void aNameThatTheTableLacksIsABug() throws Exception {
        var settings = Settings.of(Map.of());
        for (var name : List.of("MAX_SLOT", "max_slots")) {
            assertThrows(IllegalArgumentException.class, () -> settings.value(name));
        }
    }
}
