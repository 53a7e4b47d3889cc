package dev.llmworker;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.sun.management.OperatingSystemMXBean;
import dev.llmworker.assembly.RunPod;
import dev.llmworker.settings.Settings;
import dev.llmworker.settings.SettingsTable;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import sun.misc.Signal;

/// What the image and RunPod's Hub are made from says the same as the build and the worker.
class ImageFilesTest {
    private static String match(String file, String regex) throws IOException {
        var matcher = Pattern.compile(regex).matcher(Files.readString(Path.of(file)));
        assertTrue(matcher.find(), file + " has no " + regex);
        return matcher.group(1);
    }

    private static JsonNode json(String file) throws IOException {
        return new ObjectMapper().readTree(Path.of(file).toFile());
    }

    @Test
    void theImagesHaveTheLibtorchOfTheBuild() throws Exception {
        var version = match("pom.xml", "<libtorch.version>(.*?)<");
        assertEquals(version, match("Dockerfile", "PYTORCH_VERSION=(\\S+)"));
        assertEquals(version, match("docker/cuda.txt", "torch==(\\S+)"));
    }

    @Test
    void theImagesRuntimeHasTheModulesOfTheJdksOwnThatTheWorkerUses() throws Exception {
        var modules = List.of(match("Dockerfile", "--add-modules (\\S+)").split(","));
        for (var used : List.of(Signal.class, OperatingSystemMXBean.class)) {
            assertTrue(modules.contains(used.getModule().getName()), used + " is not in " + modules);
        }
    }

    @Test
    void theLauncherLooksForTheLibraryWhereTheBuildPutsIt() throws Exception {
        var folder = match("pom.xml", "build.outputDirectory}/(dev/\\S+?)<");
        assertEquals("target/classes/" + folder, match("worker", "NATIVE_FOLDER=(\\S+)"));
    }

    @Test
    void theHubOffersSettingsThatTheWorkerHas() throws Exception {
        var config = json(".runpod/hub.json").path("config");
        var defaults = new HashMap<>(Map.of("ROUTES", "routes"));
        for (var variable : config.path("env")) {
            var name = variable.path("key").asText();
            var setting = SettingsTable.users()
                    .filter(one -> one.name().equals(name))
                    .findFirst()
                    .orElseThrow(() -> new AssertionError(name + " is not in SettingsTable"));
            // A field that stays blank sets the variable to nothing, which the worker refuses for keys.
            setting.parse("");
            Settings.of(Map.of(name, ""));
            if (variable.path("input").has("default")) {
                var offered = variable.path("input").path("default").asText();
                defaults.put(name, offered);
                // The Hub's model is one that suits its GPUs.
                if (!name.equals("MODEL")) {
                    assertEquals(setting.parse(null), setting.parse(offered), name);
                }
            }
        }
        assertEquals(List.of(), RunPod.warnings(Settings.read(defaults)));
        assertEquals("LB", json(".runpod/hub.json").path("endpointType").asText());
        // Where the publishing guide lists it.
        assertEquals("LB", config.path("endpointType").asText());
    }

    /// Otherwise a mistyped or missing secret would start a worker that serves everybody.
    @Test
    void theManifestsKeysAreNotOptional() throws Exception {
        assertEquals("key: keys", match("deploy/kubernetes/worker.yaml", "name: worker-keys, (.*?)}"));
    }

    @Test
    void theHubsTestsAskForTheModelThatItOffers() throws Exception {
        var preset =
                json(".runpod/hub.json").at("/config/presets/0/defaults/MODEL").asText();
        assertEquals(
                preset, json(".runpod/tests.json").at("/config/env/0/value").asText());
        assertTrue(json(".runpod/tests.json").at("/tests/0/input/prompt").isTextual());
    }

    /// A worker that is out of memory must not stay as a process that answers nothing.
    @Test
    void theLauncherAndTheImagesEndAWorkerThatIsOutOfMemory() throws Exception {
        var arguments = Files.readString(Path.of("src/main/jvm/java.args"));
        assertTrue(arguments.lines().anyMatch("-XX:+ExitOnOutOfMemoryError"::equals), arguments);
        assertTrue(Files.readString(Path.of("worker")).contains("\"@$root/src/main/jvm/java.args\""));
        var starts = Files.readString(Path.of("Dockerfile"))
                .lines()
                .filter(line -> line.startsWith("ENTRYPOINT"))
                .toList();
        assertEquals(2, starts.size());
        starts.forEach(start -> assertTrue(start.contains("\"@/opt/worker/java.args\""), start));
    }
}
