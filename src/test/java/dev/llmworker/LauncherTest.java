package dev.llmworker;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// The script `worker` in a checkout of its own, with a Java and a Maven that do as the test says.
@Timeout(60)
class LauncherTest {
    private static final int SIGTERM_STATUS = 143;
    private static final String LIBRARY = "target/classes/dev/llmworker/model/libllmworker.so";
    private static final String BUILDS = """
            echo "$@" >>calls
            touch target/worker.jar
            """;
    /// Writes the AOT cache, or says how it was called.
    private static final String SERVES = """
            for argument in "$@"; do
              [[ $argument != -XX:AOTCacheOutput=* ]] || { echo cache >"${argument#*=}"; exit; }
            done
            printf 'java %s\\n' "$*"
            """;

    private final Map<String, String> environment = new HashMap<>();

    @TempDir
    Path root;

    @BeforeEach
    void makeCheckout() throws IOException {
        ScriptRun.copy(root, List.of("worker", "fetch-starter-model", "pom.xml"));
        Files.createDirectories(root.resolve("routes"));
        var jdk = root.resolve("jdk");
        ScriptRun.program(jdk.resolve("bin"), "javac", "");
        java(SERVES);
        Files.writeString(jdk.resolve("release"), "JAVA_VERSION=\"25.0.1\"\n");
        maven(BUILDS);
        ScriptRun.program(
                root.resolve("src/main/native"), "build.sh", "mkdir -p \"$1\" && touch \"$1/libllmworker.so\"\n");
        environment.put("PATH", root.resolve("bin") + ":" + System.getenv("PATH"));
        environment.put("JAVA_HOME", jdk.toString());
        environment.put("HOME", root.toString());
        environment.put("CXX", "true");
        environment.put("ENGINE", "mock");
        environment.put("JAVA_OPTS", "");
    }

    @Test
    void itBuildsAndTrainsOnceAndThenBecomesTheWorker() throws Exception {
        var first = run();
        assertEquals(0, first.status(), first.said());
        assertTrue(first.said().contains("worker: building, because it is not built yet"), first.said());
        assertTrue(first.said().contains("worker: AOT training, once for each build"), first.said());
        assertFalse(Files.exists(root.resolve("target/.building")));
        var second = run();
        assertEquals(1, second.said().lines().count(), second.said());
        assertTrue(second.said().contains("@" + root.toRealPath() + "/src/main/jvm/java.args -XX:AOTCache="));
        assertTrue(second.said().endsWith(" dev.llmworker.Worker\n"), second.said());
        assertEquals(List.of("-B -Dstyle.color=never -Dmaven.test.skip=true package"), calls());
    }

    @Test
    void onlyAnEngineOfItsOwnGetsTheThresholds() throws Exception {
        assertFalse(run().said().contains("cpu-engine.args"));
        environment.put("ENGINE", "djl");
        environment.put("MODEL", "x.gguf");
        assertTrue(run().said().contains("/src/main/jvm/cpu-engine.args "));
    }

    @Test
    void aModelInApplicationPropertiesNeedsNoStarterModel() throws Exception {
        environment.remove("ENGINE");
        Files.writeString(root.resolve("routes/application.properties"), "PORT=1\n MODEL = x.gguf\r\n");
        var run = run();
        assertEquals(0, run.status(), run.said());
        assertFalse(run.said().contains("fetch-starter-model"), run.said());
    }

    @Test
    void aSignalEndsTheBuildAndTheNextStartBuildsAgain() throws Exception {
        maven("touch target/worker.jar; echo $$ >pid; exec sleep 60\n");
        var run = start();
        run.awaitSaying("worker: building");
        ScriptRun.await(
                "Maven runs",
                () -> Files.exists(root.resolve("pid"))
                        && !Files.readString(root.resolve("pid")).isBlank());
        end(run);
        maven(BUILDS);
        var next = run();
        assertEquals(0, next.status(), next.said());
        assertTrue(next.said().contains("building, because the last build did not finish"), next.said());
    }

    @Test
    void aSignalEndsTheAotTrainingAndTheNextStartTrains() throws Exception {
        java("echo $$ >" + root + "/pid; touch target/worker.new.aot; exec sleep 60\n");
        var run = start();
        ScriptRun.await(
                "it trains",
                () -> Files.exists(root.resolve("pid"))
                        && !Files.readString(root.resolve("pid")).isBlank());
        end(run);
        assertFalse(Files.exists(root.resolve("target/worker.aot")));
        assertFalse(Files.exists(root.resolve("target/worker.new.aot")));
        java(SERVES);
        var next = run();
        assertTrue(next.said().contains("AOT training"), next.said());
        assertEquals(1, calls().size());
        assertEquals("cache\n", Files.readString(root.resolve("target/worker.aot")));
    }

    @Test
    void anAotTrainingThatFailsIsNotRepeatedBeforeTheNextBuild() throws Exception {
        java("[[ \"$*\" != *AOTCacheOutput* ]] || exit 1\necho \"java $*\"\n");
        assertTrue(run().said().contains("the AOT training failed, see "));
        var next = run();
        assertFalse(next.said().contains("AOT"), next.said());
    }

    @Test
    void allThatIsMissingIsNamedAtOnce() throws Exception {
        var few = Files.createDirectories(root.resolve("few"));
        for (var name : List.of("bash", "env", "sed", "grep", "mkdir", "find", "readlink", "dirname", "apt-get")) {
            Files.deleteIfExists(few.resolve(name));
            var real = Path.of("/usr/bin", name);
            if (Files.exists(real)) {
                Files.createSymbolicLink(few.resolve(name), real);
            } else {
                ScriptRun.program(few, name, "");
            }
        }
        Files.delete(root.resolve("jdk/bin/javac"));
        environment.putAll(Map.of("PATH", few.toString(), "CXX", "", "ENGINE", "djl", "MODEL", ""));
        var run = run();
        assertTrue(run.said().contains("missing: Maven. To install it: "), run.said());
        assertTrue(run.said().contains("apt-get install maven"), run.said());
        assertTrue(run.said().contains("optional: a C++ compiler"), run.said());
        assertTrue(run.said().contains("missing: pip"), run.said());
        assertEquals(1, run.status());
        assertFalse(Files.exists(root.resolve("target/.building")));
    }

    @Test
    void aSecondStartSaysThatItWaitsForTheBuildOfAnother() throws Exception {
        Files.createDirectories(root.resolve("target"));
        var other = new ProcessBuilder("flock", "-o", root + "/target/.build.lock", "cat").start();
        try {
            ScriptRun.await(
                    "the other holds the lock",
                    () -> new ProcessBuilder("flock", "-n", root + "/target/.build.lock", "true")
                                    .start()
                                    .waitFor()
                            != 0);
            var run = start();
            run.awaitSaying("worker: waiting for another start that builds in " + root.toRealPath());
            other.outputWriter().close();
            assertEquals(0, run.status(), run.said());
            assertEquals(1, calls().size());
        } finally {
            other.destroy();
        }
    }

    @Test
    void aFailedBuildShowsMavensErrorsAndNamesAMissingNetwork() throws Exception {
        maven("echo '[INFO] no use'; echo '[ERROR] Unknown host repo.example'; exit 1\n");
        var run = run();
        assertEquals(1, run.status());
        assertTrue(run.said().contains("[ERROR] Unknown host repo.example\nworker: there is no network"), run.said());
        assertFalse(run.said().contains("no use"), run.said());
        assertTrue(run.said().endsWith("/target/build.log\n"), run.said());
    }

    @Test
    void aCompilerThatAppearsLeadsToABuild() throws Exception {
        run();
        Files.delete(root.resolve(LIBRARY));
        environment.put("CXX", "no-such-compiler");
        assertFalse(run().said().contains("building"));
        environment.put("CXX", "true");
        var run = run();
        assertTrue(run.said().contains("building, because a C++ compiler is installed now"), run.said());
        assertFalse(run().said().contains("building"));
    }

    @Test
    void theStarterModelIsLookedForWhereTheScriptPutsIt() throws Exception {
        var place = "starter/b179c9523d0e/SmolLM2-135M-Instruct.Q4_1.gguf";
        environment.put("ENGINE", "djl");
        var file = root.resolve(".cache/camel-llm-worker").resolve(place);
        Files.createDirectories(file.resolveSibling("."));
        Files.createFile(file);
        environment.put("XDG_CACHE_HOME", "");
        var run = run();
        assertEquals(0, run.status(), run.said());
        assertFalse(run.said().contains("fetch-starter-model"), run.said());
        assertTrue(Files.readString(Path.of("src/main/java/dev/llmworker/hub/StarterModel.java"))
                .contains("\"" + place + "\""));
    }

    /// Ends the launcher, and sees that what it ran has ended too.
    private void end(ScriptRun run) throws Exception {
        run.process().destroy();
        assertEquals(SIGTERM_STATUS, run.status(), run.said());
        var pid = Long.parseLong(Files.readString(root.resolve("pid")).strip());
        assertTrue(ProcessHandle.of(pid).filter(ProcessHandle::isAlive).isEmpty(), "what it ran still runs");
    }

    private void java(String script) throws IOException {
        ScriptRun.program(root.resolve("jdk/bin"), "java", script);
    }

    private void maven(String script) throws IOException {
        ScriptRun.program(root.resolve("bin"), "mvn", script);
    }

    private List<String> calls() throws IOException {
        return Files.readAllLines(root.resolve("calls"));
    }

    private ScriptRun start() throws IOException {
        return ScriptRun.start(root, environment, "./worker");
    }

    private ScriptRun run() throws Exception {
        var run = start();
        run.status();
        return run;
    }
}
