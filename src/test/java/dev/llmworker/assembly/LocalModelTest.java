package dev.llmworker.assembly;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.llmworker.generation.Task;
import dev.llmworker.model.Kernels;
import dev.llmworker.model.device.Precision;
import dev.llmworker.settings.Settings;
import dev.llmworker.settings.SettingsException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class LocalModelTest {
    @TempDir
    private Path directory;

    private static String refusal(String name) {
        var refused = assertThrows(SettingsException.class, () -> Settings.of(Map.of(name, "no such")));
        return String.valueOf(refused.getMessage());
    }

    private static String list(Enum<?>[] values) {
        var names = new StringBuilder();
        for (var value : values) {
            names.append(names.isEmpty() ? "" : ", ").append(value.name().toLowerCase(Locale.ROOT));
        }
        return names.toString();
    }

    /// The settings know the names of the model's choices, not its types.
    @Test
    void theSettingsAllowWhatTheModelHas() throws Exception {
        var formats = list(Precision.values());
        // Only the cache has q8.
        assertEquals("DTYPE is \"no such\"; it must be one of " + formats.replace(", q8", ""), refusal("DTYPE"));
        assertEquals("KV_CACHE_DTYPE is \"no such\"; it must be one of " + formats, refusal("KV_CACHE_DTYPE"));
        assertEquals("KERNELS is \"no such\"; it must be one of " + list(Kernels.values()), refusal("KERNELS"));
        for (var format : Precision.values()) {
            var values = Map.of("KV_CACHE_DTYPE", format.name());
            assertEquals(format, new LocalModel(Settings.of(values)).options().cache());
            if (format != Precision.Q8) {
                values = Map.of("DTYPE", format.name());
                assertEquals(
                        format, new LocalModel(Settings.of(values)).options().weights());
            }
        }
        for (var kernels : Kernels.values()) {
            var options = new LocalModel(Settings.of(Map.of("KERNELS", kernels.name()))).options();
            assertEquals(kernels, options.kernels());
        }
    }

    /// The model's files are then not read once more.
    @Test
    void withoutCopiesNoFolderIsMade() throws Exception {
        var folder = directory.resolve("prefixes");
        var values = new HashMap<>(Map.of("PREFIX_CACHE_DIR", folder.toString(), "PREFIX_CACHE_BYTES", "0"));
        assertNull(new LocalModel(Settings.of(values)).prefixFolder(Task.GENERATE));
        values.remove("PREFIX_CACHE_BYTES");
        assertNull(new LocalModel(Settings.of(values)).prefixFolder(Task.EMBED));
        assertFalse(Files.exists(folder));
        assertEquals(folder, new LocalModel(Settings.of(values)).prefixFolder(Task.GENERATE));
        assertTrue(Files.exists(folder));
    }

    @Test
    void theFirstRequestGoesToAnAddressThatIsServed() {
        for (var all : List.of("http://0.0.0.0:80", "http://[::]:80")) {
            assertEquals("http://localhost:80", LocalModel.onThisMachine(all));
        }
        for (var one : List.of("http://127.0.0.1:8080", "http://[::1]:80", "http://192.0.2.7:80", "https://host:443")) {
            assertEquals(one, LocalModel.onThisMachine(one));
        }
    }

    @Test
    void whatIsNotSetIsLeftToTheDecoder() throws Exception {
        var options = new LocalModel(Settings.of(Map.of("MAX_SLOTS", "auto"))).options();
        assertEquals(0, options.slots());
        assertEquals(0, options.contextLength());
        assertEquals(0, options.threads());
        assertEquals("auto", options.device());
        assertEquals(Precision.AUTO, options.weights());
        assertEquals(Kernels.AUTO, options.kernels());
    }
}
