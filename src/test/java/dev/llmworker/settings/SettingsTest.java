package dev.llmworker.settings;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.llmworker.serving.connection.Timeouts;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HashMap;
import java.util.Map;
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
        assertEquals(80, settings.listen().port());
        assertEquals(80, settings.listen().healthPort());
        assertEquals("0.0.0.0", settings.listen().host());
        assertEquals(1 << 20, settings.listen().maxBodyBytes());
        assertEquals(Settings.EngineKind.DJL, settings.engine());
        assertEquals(Duration.ofSeconds(300), settings.requestTimeout());
        assertEquals("auto", settings.device());
        assertNull(settings.model());
        assertNull(settings.maxSlots());
    }

    @Test
    void theEnvironmentWinsOverTheFile() throws Exception {
        Files.writeString(routes.resolve("application.properties"), "PORT = 8081\nMODEL = file.gguf\n");
        var settings = read(Map.of("PORT", "8082", "PORT_HEALTH", "8083"));
        assertEquals(8082, settings.listen().port());
        assertEquals(8083, settings.listen().healthPort());
        assertEquals("file.gguf", settings.model());
    }

    @Test
    void whatIsSwitchedOnIsTrueOrFalse() throws Exception {
        assertFalse(read(Map.of()).deterministic());
        assertTrue(
                read(Map.of("DETERMINISTIC", "True", "ROUTES_RELOAD", "true")).deterministic());
        assertTrue(read(Map.of("ROUTES_RELOAD", "true")).reloadsRoutes());
        for (var name : new String[] {"DETERMINISTIC", "ROUTES_RELOAD"}) {
            var refused = assertThrows(SettingsException.class, () -> read(Map.of(name, "yes")));
            assertEquals(name + " is \"yes\"; it must be one of true, false", refused.getMessage());
        }
    }

    @Test
    void timesMayHaveAUnit() throws Exception {
        for (var text : new String[] {"300", "300s", "5m"}) {
            assertEquals(
                    Duration.ofMinutes(5), read(Map.of("REQUEST_TIMEOUT", text)).requestTimeout(), text);
        }
    }

    @Test
    void clientsHaveTheTimesThatAreSet() throws Exception {
        assertEquals(Timeouts.DEFAULT, read(Map.of()).listen().timeouts());
        var timeouts = read(Map.of(
                        "HEADER_TIMEOUT",
                        "1s",
                        "BODY_TIMEOUT",
                        "2",
                        "SEND_TIMEOUT",
                        "4",
                        "IDLE_TIMEOUT",
                        "3",
                        "PING_INTERVAL",
                        "0",
                        "PONG_TIMEOUT",
                        "5",
                        "DRAIN_TIMEOUT",
                        "1m"))
                .listen()
                .timeouts();
        assertEquals(
                new Timeouts(
                        Duration.ofSeconds(1),
                        Duration.ofSeconds(2),
                        Duration.ofSeconds(4),
                        Duration.ofSeconds(3),
                        Duration.ZERO,
                        Duration.ofSeconds(5),
                        Duration.ofMinutes(1)),
                timeouts);
        assertWrong(
                "PONG_TIMEOUT",
                "0",
                "PONG_TIMEOUT is \"0\"; it must be a time from 1s to 60m, such as 300, 300s or 5m");
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

    private void assertWrong(String name, String value, String message) {
        assertEquals(
                message,
                assertThrows(SettingsException.class, () -> read(Map.of(name, value)))
                        .getMessage());
    }
}
