package dev.llmworker.settings;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class SettingsTest {
    @TempDir
    Path routes;

    private Settings read(Map<String, String> environment) throws SettingsException {
        var variables = new HashMap<>(environment);
        variables.put("ROUTES", routes.toString());
        return Settings.read(variables);
    }

    @Test
    void whatIsNotSetHasTheContractsDefault() throws Exception {
        var settings = read(Map.of("MODEL", " ", "MAX_SLOTS", "auto"));
        assertEquals(80, settings.get(SettingsTable.PORT));
        assertNull(settings.orNull(SettingsTable.PORT_HEALTH));
        assertEquals("0.0.0.0", settings.get(SettingsTable.HOST));
        assertEquals(1 << 20, settings.get(SettingsTable.MAX_BODY_BYTES));
        assertEquals(SettingsTable.Engine.DJL, settings.get(SettingsTable.ENGINE));
        assertEquals(Duration.ofSeconds(300), settings.get(SettingsTable.REQUEST_TIMEOUT));
        assertEquals("auto", settings.get(SettingsTable.DEVICE));
        assertNull(settings.orNull(SettingsTable.MODEL));
        assertNull(settings.orNull(SettingsTable.MAX_SLOTS));
    }

    @Test
    void theEnvironmentWinsOverTheFile() throws Exception {
        Files.writeString(routes.resolve("application.properties"), "PORT = 8081\nMODEL = file.gguf\n");
        var settings = read(Map.of("PORT", "8082", "PORT_HEALTH", "8083"));
        assertEquals(8082, settings.get(SettingsTable.PORT));
        assertEquals(8083, settings.get(SettingsTable.PORT_HEALTH));
        assertEquals("file.gguf", settings.orNull(SettingsTable.MODEL));
    }

    @Test
    void whatIsSwitchedOnIsTrueOrFalse() throws Exception {
        assertFalse(read(Map.of()).get(SettingsTable.DETERMINISTIC));
        assertTrue(
                read(Map.of("DETERMINISTIC", "True", "ROUTES_RELOAD", "true")).get(SettingsTable.DETERMINISTIC));
        assertTrue(read(Map.of("ROUTES_RELOAD", "true")).get(SettingsTable.ROUTES_RELOAD));
        for (var name : new String[] {"DETERMINISTIC", "ROUTES_RELOAD"}) {
            var refused = assertThrows(SettingsException.class, () -> read(Map.of(name, "yes")));
            assertEquals(name + " is \"yes\"; it must be one of true, false", refused.getMessage());
        }
    }

    @Test
    void timesMayHaveAUnit() throws Exception {
        for (var text : new String[] {"300", "300s", "5m"}) {
            assertEquals(
                    Duration.ofMinutes(5),
                    read(Map.of("REQUEST_TIMEOUT", text)).get(SettingsTable.REQUEST_TIMEOUT),
                    text);
        }
    }

    @Test
    void aWrongSettingIsNamedWithItsValueAndItsLimits() {
        assertWrong("PORT", "eighty", "PORT is \"eighty\"; it must be a whole number from 0 to 65535");
        assertWrong("PORT", "65536", "PORT is \"65536\"; it must be a whole number from 0 to 65535");
        assertWrong("PORT_HEALTH", "0", "PORT_HEALTH is \"0\"; it must be a whole number from 1 to 65535");
        assertWrong(
                "MAX_BODY_BYTES",
                "31457281",
                "MAX_BODY_BYTES is \"31457281\"; it must be a whole number from 1024 to 31457280");
        assertWrong(
                "PONG_TIMEOUT",
                "0",
                "PONG_TIMEOUT is \"0\"; it must be a time from 1s to 60m, such as 300, 300s or 5m");
        assertWrong("MAX_SLOTS", "0", "MAX_SLOTS is \"0\"; it must be a whole number from 1 to 1024");
        assertWrong("ENGINE", "vllm", "ENGINE is \"vllm\"; it must be one of djl, mock, openai");
        assertWrong(
                "REQUEST_TIMEOUT",
                "0",
                "REQUEST_TIMEOUT is \"0\"; it must be a time from 1s to 1440m, such as 300, 300s or 5m");
        assertWrong(
                "REQUEST_TIMEOUT",
                "99999999999999999m",
                "REQUEST_TIMEOUT is \"99999999999999999m\"; it must be a time from 1s to 1440m, such as 300, 300s or 5m");
    }

    @Test
    void choicesThatNeedNoModelAreCheckedAtTheStart() throws Exception {
        assertWrong("DTYPE", "int8", "DTYPE is \"int8\"; it must be one of auto, fp32, bf16, fp16");
        assertWrong("KV_CACHE_DTYPE", "8", "KV_CACHE_DTYPE is \"8\"; it must be one of auto, fp32, bf16, fp16, q8");
        assertWrong("KERNELS", "foo", "KERNELS is \"foo\"; it must be one of auto, native, torch");
        for (var device : new String[] {"gpu", "CPU", "cuda:", "cuda:x", "cuda:1000", "cuda:-1"}) {
            assertWrong(
                    "DEVICE",
                    device,
                    "DEVICE is \"" + device + "\"; it must be auto, cpu, cuda or a GPU by its number, such as cuda:0");
        }
        for (var device : new String[] {"auto", "cpu", "cuda", "cuda:0", "cuda:15"}) {
            assertEquals(device, read(Map.of("DEVICE", device)).get(SettingsTable.DEVICE));
        }
        assertWrong(
                "ENGINE_HEALTH_PATH",
                "health",
                "ENGINE_HEALTH_PATH is \"health\"; it must be a path, such as /health, or none");
        assertEquals("bf16", read(Map.of("DTYPE", " BF16 ")).get(SettingsTable.DTYPE));
    }

    @Test
    void aMarkIsNoPartOfTheFirstSetting() throws Exception {
        var file = routes.resolve("application.properties");
        var text = "\uFEFFAPI_KEYS = a-key-that-is-long-enough\r\nPORT = 8081\r\n";
        for (var encoding : List.of(StandardCharsets.UTF_8, StandardCharsets.UTF_16LE)) {
            Files.writeString(file, text, encoding);
            var settings = read(Map.of());
            assertEquals("a-key-that-is-long-enough", settings.orNull(SettingsTable.API_KEYS));
            assertEquals(8081, settings.get(SettingsTable.PORT));
            assertEquals(Set.of("API_KEYS", "PORT"), settings.properties().keySet());
        }
    }

    /// As a file of variables leaves them that begins with a mark, or has Windows' ends of lines.
    @Test
    void marksAndCarriageReturnsAreNoPartOfAVariable() throws Exception {
        for (var mark : List.of("\uFEFF", "\u00EF\u00BB\u00BF", "\uFFFD\uFFFD\uFFFD")) {
            var settings = read(Map.of(mark + "API_KEYS", "a-key\r", "MODEL", "\uFEFFx.gguf\r", "HF_TOKEN", "hf_x\r"));
            assertEquals("a-key", settings.orNull(SettingsTable.API_KEYS));
            assertEquals("x.gguf", settings.value("MODEL"));
            assertEquals("hf_x", settings.value("HF_TOKEN"));
        }
        var both = read(Map.of("\uFEFFPORT", "1", "PORT", "2"));
        assertEquals(2, both.get(SettingsTable.PORT));
    }

    @Test
    void whatProtectsMustNotBeEmpty() throws Exception {
        var without = Map.of(
                "API_KEYS", "open the worker to all",
                "API_KEYS_FILE", "open the worker to all",
                "METRICS_KEYS", "let every API key read /metrics",
                "ALLOWED_ORIGINS", "let the pages of all sites open WebSockets",
                "TLS_CERT", "serve without TLS",
                "TLS_KEY", "serve without TLS",
                "ENGINE_CA_FILE", "trust Java's list of authorities");
        for (var name : without.keySet()) {
            var message = name + " is set but empty, and would protect nothing; give it a value, or unset it to "
                    + without.get(name);
            for (var value : List.of("", " \t", "\uFEFF\r")) {
                assertWrong(name, value, message);
            }
            Files.writeString(routes.resolve("application.properties"), name + " =\n");
            assertEquals(
                    message,
                    assertThrows(SettingsException.class, () -> read(Map.of())).getMessage());
            Files.delete(routes.resolve("application.properties"));
        }
    }

    @Test
    void aWrongLineOfTheFileIsNamed() throws Exception {
        var file = routes.resolve("application.properties");
        var end = ": \\u must be followed by four hexadecimal digits. If you mean a backslash, write \\\\";
        Files.writeString(file, "# data\\uploads\nPORT = 1\nMODEL = data\\uploads\n");
        assertEquals(file + " line 3 has \\uploads" + end, refusal());
        Files.writeString(file, "A = \\\\\\u12\n");
        assertEquals(file + " line 1 has \\u12" + end, refusal());
        Files.writeString(file, "MODEL = data\\\\uploads\\u0041\n");
        assertEquals("data\\uploadsA", read(Map.of()).orNull(SettingsTable.MODEL));
        Files.writeString(file, "# Gr\u00FC\u00DFe\r\nMODEL = Gr\u00FCn\r\n", StandardCharsets.ISO_8859_1);
        assertEquals(file + " line 2 is not UTF-8; save the file as UTF-8", refusal());
        Files.writeString(file, "# Gr\u00FC\u00DFe\r\nPORT = 1\r\n", StandardCharsets.ISO_8859_1);
        assertEquals(1, read(Map.of()).get(SettingsTable.PORT));
    }

    private String refusal() {
        return String.valueOf(
                assertThrows(SettingsException.class, () -> read(Map.of())).getMessage());
    }

    private void assertWrong(String name, String value, String message) {
        assertEquals(
                message,
                assertThrows(SettingsException.class, () -> read(Map.of(name, value)))
                        .getMessage());
    }
}
