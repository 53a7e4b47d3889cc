package dev.llmworker.assembly;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.llmworker.remote.RemoteOptions;
import dev.llmworker.remote.ServerAddress;
import dev.llmworker.settings.Settings;
import dev.llmworker.settings.SettingsException;
import dev.llmworker.testing.TestCertificates;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class RemoteEngineTest {
    private static RemoteOptions read(Map<String, String> environment) throws SettingsException {
        var variables = new HashMap<>(environment);
        variables.put("ENGINE", "openai");
        return RemoteEngine.options(Settings.read(variables));
    }

    private static void assertWrong(Map<String, String> environment, String message) {
        assertEquals(
                message,
                assertThrows(SettingsException.class, () -> read(environment)).getMessage());
    }

    @Test
    void severalServersAreNamedWithCommas() throws Exception {
        var options =
                read(Map.of("ENGINE_BASE_URL", "http://a:8000, https://b/v1/,http://[::1]:1/openai/v1,http://c/api"));
        assertEquals(
                List.of(
                        new ServerAddress(false, "a", 8000, "/v1", ""),
                        new ServerAddress(true, "b", 443, "/v1", ""),
                        new ServerAddress(false, "[::1]", 1, "/openai/v1", "/openai"),
                        new ServerAddress(false, "c", 80, "/api", "")),
                options.servers());
        assertNull(options.apiKey());
        assertNull(options.model());
        assertEquals(256, options.connections());
        assertEquals("/health", options.healthPath());
        assertEquals(Duration.ofSeconds(300), options.timeout());
    }

    @Test
    void whatIsWrongIsNamed() {
        assertWrong(
                Map.of(),
                "ENGINE is openai, so ENGINE_BASE_URL or ENGINE_COMMAND must be set: http://localhost:8000/v1, or several"
                        + " with commas; or the command of a server");
        for (var url :
                List.of("localhost:8000", "ftp://a", "http://", "http://a?x=1", "http://user:secret@a", "http://a b")) {
            assertWrong(
                    Map.of("ENGINE_BASE_URL", url),
                    "ENGINE_BASE_URL is \"" + url
                            + "\"; it must be http:// or https:// with a host, such as http://localhost:8000/v1");
        }
        assertWrong(
                Map.of("ENGINE_BASE_URL", "http://a", "ENGINE_HEALTH_PATH", "health"),
                "ENGINE_HEALTH_PATH is \"health\"; it must be a path, such as /health, or none");
        assertWrong(
                Map.of("ENGINE_BASE_URL", "http://a", "ENGINE_HEALTH_PATH", "none"),
                "ENGINE_HEALTH_PATH is none, so ENGINE_MODEL must be set");
        for (var file : List.of("no/such/file", "pom.xml", "src")) {
            assertWrong(
                    Map.of("ENGINE_BASE_URL", "https://a", "ENGINE_CA_FILE", file),
                    "ENGINE_CA_FILE is \"" + file
                            + "\"; it must be a file of certificates in PEM, which begin with -----BEGIN CERTIFICATE-----");
        }
    }

    @Test
    void anAuthorityFromWindowsIsRead(@TempDir Path folder) throws Exception {
        var pem = Files.readString(new TestCertificates(folder).authority()).replaceAll("\\R", "\r\n");
        var file = folder.resolve("windows.pem");
        for (var encoding : List.of(StandardCharsets.UTF_8, StandardCharsets.UTF_16LE)) {
            Files.writeString(file, "\uFEFF" + pem, encoding);
            var options = read(Map.of("ENGINE_BASE_URL", "https://a", "ENGINE_CA_FILE", file.toString()));
            assertEquals(pem, options.authorities());
        }
    }

    /// The examples name variables that there are.
    @Test
    void theExamplesAreReadAsSettings() throws Exception {
        var environment = new HashMap<String, String>();
        for (var line : Files.readAllLines(Path.of("deploy/engines/runpod.env"))) {
            if (!line.startsWith("#")) {
                var equals = line.indexOf('=');
                environment.put(line.substring(0, equals), line.substring(equals + 1));
            }
        }
        var options = read(environment);
        assertEquals("api.runpod.ai", options.servers().getFirst().host());
        assertEquals(
                "/v2/VLLM_ENDPOINT_ID/openai/v1", options.servers().getFirst().apiPath());
        assertNull(options.healthPath());
    }
}
