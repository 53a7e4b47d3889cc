package dev.llmworker.assembly;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.llmworker.settings.Settings;
import dev.llmworker.settings.SettingsException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class RunPodTest {
    @TempDir
    Path routes;

    private Settings settings(Map<String, String> environment) throws SettingsException {
        var variables = new HashMap<>(Map.of("ROUTES", routes.toString(), "MODEL", "org/name"));
        variables.putAll(environment);
        return Settings.read(variables);
    }

    private String warning(Map<String, String> environment) throws SettingsException {
        var warnings = RunPod.warnings(settings(environment));
        assertEquals(1, warnings.size(), warnings::toString);
        return warnings.getFirst();
    }

    @Test
    void thePlatformsOwnSettingsDrawNoWarning() throws Exception {
        assertEquals(List.of(), RunPod.warnings(settings(Map.of("RUNPOD_GPU_COUNT", "1"))));
        // The command says which GPUs its server uses.
        var command =
                Map.of("RUNPOD_GPU_COUNT", "4", "ENGINE", "openai", "ENGINE_COMMAND", "vllm serve m --port {port}");
        assertEquals(List.of(), RunPod.warnings(settings(command)));
        assertEquals(List.of(), RunPod.warnings(settings(Map.of("PORT", "8000", "PORT_HEALTH", "8000"))));
    }

    @Test
    void whatCannotWorkThereIsNamedWithItsCure() throws Exception {
        assertTrue(warning(Map.of("HOST", "127.0.0.1")).startsWith("HOST is \"127.0.0.1\""));
        assertTrue(warning(Map.of("PORT_HEALTH", "8081")).startsWith("PORT_HEALTH is 8081 and PORT is 80:"));
        assertTrue(warning(Map.of("REQUEST_TIMEOUT", "10m")).startsWith("REQUEST_TIMEOUT is 600 s"));
        assertTrue(warning(Map.of("REQUEST_TIMEOUT", "330")).contains("cuts a request at 330 s"));
        assertTrue(warning(Map.of("MODEL", " ")).startsWith("MODEL is not set"));
        assertTrue(warning(Map.of("DEVICE", "cpu", "RUNPOD_GPU_COUNT", "1")).startsWith("DEVICE is cpu"));
        assertTrue(warning(Map.of("RUNPOD_GPU_COUNT", "4")).startsWith("this machine has 4 GPUs"));
    }

    @Test
    void aWorkerThatIsNeverAskedForItsHealthNamesItsPorts() throws Exception {
        var said = new ArrayList<String>();
        RunPod.watch(settings(Map.of("PORT", "8000")), () -> true, Duration.ZERO, said::add);
        assertEquals(List.of(), said);
        RunPod.watch(settings(Map.of("PORT", "8000")), () -> false, Duration.ZERO, said::add);
        RunPod.watch(settings(Map.of("PORT_HEALTH", "8081")), () -> false, Duration.ZERO, said::add);
        assertEquals(2, said.size());
        assertTrue(said.getFirst().contains("at port 8000:"), said.getFirst());
        assertTrue(said.getLast().contains("at ports 80 and 8081:"), said.getLast());
    }
}
