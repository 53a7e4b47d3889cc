package dev.llmworker;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.sun.management.OperatingSystemMXBean;
import dev.llmworker.assembly.RunPod;
import dev.llmworker.child.CommandLine;
import dev.llmworker.settings.Settings;
import dev.llmworker.settings.SettingsTable;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
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

    /// The Dockerfile's stages by name, each as its lines; lines that go on are joined.
    private static Map<String, List<String>> stages() throws IOException {
        var stages = new LinkedHashMap<String, List<String>>();
        var lines = new ArrayList<String>();
        for (var line : Files.readString(Path.of("Dockerfile"))
                .replace("\\\n", "")
                .lines()
                .toList()) {
            if (line.startsWith("FROM ")) {
                lines = new ArrayList<>();
                stages.put(line.replaceFirst(".* AS ", ""), lines);
            }
            lines.add(line);
        }
        return stages;
    }

    private static List<String> stage(String name) throws IOException {
        return Objects.requireNonNull(stages().get(name), name);
    }

    private static String only(List<String> stage, String instruction) {
        var found = stage.stream()
                .filter(line -> line.startsWith(instruction + " "))
                .toList();
        assertEquals(1, found.size(), instruction + " in " + stage);
        return found.getFirst();
    }

    @Test
    void theLastTargetIsTheOneForGpus() throws Exception {
        assertEquals("worker-cuda", List.copyOf(stages().keySet()).getLast());
    }

    @Test
    void everyImageRunsUnprivilegedIsWatchedAndEndsBySigterm() throws Exception {
        for (var name : List.of("worker-cpu", "worker-vllm", "worker-cuda")) {
            var stage = stage(name);
            assertEquals("USER 10001:10001", only(stage, "USER"));
            assertEquals("EXPOSE 80", only(stage, "EXPOSE"));
            assertEquals("STOPSIGNAL SIGTERM", only(stage, "STOPSIGNAL"));
            assertTrue(only(stage, "HEALTHCHECK").endsWith("[\"bash\", \"/opt/worker/healthcheck.sh\"]"), name);
            var start = only(stage, "ENTRYPOINT");
            assertTrue(start.contains("\"/opt/worker/jre/bin/java\", \"-XX:AOTCache=/opt/worker/worker.aot\""), start);
            assertTrue(start.endsWith("\"@/opt/worker/image.args\"]"), start);
            for (var part :
                    List.of("--from=app /app /opt/worker", "--from=trained /opt/worker/worker.aot /opt/worker/")) {
                assertTrue(stage.contains("COPY " + part), name + " has no " + part);
            }
        }
    }

    /// The thresholds delay the compiler of a GPU's host, and are for a start on two cores.
    @Test
    void onlyTheImageForCpusCompilesLate() throws Exception {
        for (var name : List.of("worker-cpu", "worker-vllm", "worker-cuda")) {
            assertEquals(
                    name.equals("worker-cpu"), only(stage(name), "ENTRYPOINT").contains("cpu-engine.args"), name);
        }
        for (var name : List.of("src/main/jvm/java.args", "docker/image.args")) {
            assertFalse(Files.readString(Path.of(name)).contains("Threshold"), name);
        }
    }

    @Test
    void theImageForGpusLeavesNoHolesBesideItsCache() throws Exception {
        assertTrue(only(stage("worker-cuda"), "ENV").contains("PYTORCH_CUDA_ALLOC_CONF=expandable_segments:True"));
    }

    /// Quantised weights are unpacked on a GPU, so such a preset would have their loss alone. Cards that do not work
    /// are named.
    @Test
    void theHubOffersWhatTheImageForGpusRunsWell() throws Exception {
        var preset =
                json(".runpod/hub.json").at("/config/presets/0/defaults/MODEL").asText();
        assertFalse(preset.isEmpty() || preset.toLowerCase(Locale.ROOT).contains("gguf"), preset);
        assertTrue(json(".runpod/hub.json").path("description").asText().contains("not on Blackwell"));
        assertTrue(Files.readString(Path.of("README.md")).contains("does not run on Blackwell cards"));
    }

    /// The worker of this image starts its own vLLM, whatever model it is given.
    @Test
    void theImageOfVllmHasACommandThatTheWorkerTakes() throws Exception {
        var stage = stage("worker-vllm");
        assertTrue(
                only(stage, "FROM").matches("FROM vllm/vllm-openai:v\\d+\\.\\d+\\.\\d+ AS worker-vllm"),
                stage::toString);
        assertTrue(only(stage, "ENTRYPOINT").startsWith("ENTRYPOINT [\"tini\", \"--\", "), stage::toString);
        var environment = only(stage, "ENV");
        var settings = Settings.of(Map.of(
                "MODEL", "org/name",
                "ENGINE", match("Dockerfile", "\\bENGINE=(\\w+)"),
                "ENGINE_COMMAND", match("Dockerfile", "ENGINE_COMMAND=\"(.*?)\"")));
        assertTrue(environment.contains("ENGINE_COMMAND="), environment);
        assertEquals(SettingsTable.Engine.OPENAI, settings.get(SettingsTable.ENGINE));
        var command = CommandLine.parse(Objects.requireNonNull(settings.orNull(SettingsTable.ENGINE_COMMAND)));
        assertEquals(List.of("vllm", "serve", "{model_path}"), command.words().subList(0, 3));
        // Nobody but the worker reaches it: it knows no keys.
        assertEquals("127.0.0.1", command.words().get(command.words().indexOf("--host") + 1));
        assertEquals("{port}", command.words().get(command.words().indexOf("--port") + 1));
        // Clients see a model's name, and no path.
        assertEquals("{model}", command.words().get(command.words().indexOf("--served-model-name") + 1));
        assertEquals(List.of(), RunPod.warnings(settings));
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
        assertFalse(starts.isEmpty());
        starts.forEach(start -> assertTrue(start.contains("\"@/opt/worker/java.args\""), start));
    }
}
