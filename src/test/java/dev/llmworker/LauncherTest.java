package dev.llmworker;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.llmworker.hub.ModelLocator;
import dev.llmworker.hub.progress.Progress;
import dev.llmworker.testing.StartsProcesses;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// The script `worker` in a checkout of its own, with a Java and a Maven that do as the test says.
@StartsProcesses
@Timeout(180)
class LauncherTest {
    private static final int SIGINT_STATUS = 130;
    private static final int SIGTERM_STATUS = 143;
    private static final int MISUSED_STATUS = 2;
    private static final String FACTS = "src/main/resources/dev/llmworker/hub/starter-model.properties";
    private static final String LIBRARY = "target/classes/dev/llmworker/model/libllmworker-linux-x86_64.so";
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
        ScriptRun.copy(root, List.of("worker", "fetch-starter-model", "pom.xml", FACTS));
        Files.createDirectories(root.resolve("routes"));
        var jdk = root.resolve("jdk");
        ScriptRun.program(jdk.resolve("bin"), "javac", "");
        java(SERVES);
        Files.writeString(jdk.resolve("release"), "JAVA_VERSION=\"25.0.1\"\n");
        maven(BUILDS);
        ScriptRun.program(
                root.resolve("src/main/native"),
                "build.sh",
                "mkdir -p \"$1\" && touch \"$1/libllmworker-linux-x86_64.so\"\n");
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

    @ParameterizedTest
    @CsvSource({"INT, 130", "TERM, 143", "HUP, 129"})
    void aSignalEndsTheBuildAndTheNextStartBuildsAgain(String signal, int status) throws Exception {
        maven("touch target/worker.jar; echo $$ >pid; exec sleep 60\n");
        var run = startThatSignalsEnd();
        run.awaitSaying("worker: building");
        awaitPid();
        end(run, signal, status);
        maven(BUILDS);
        var next = run();
        assertEquals(0, next.status(), next.said());
        assertTrue(next.said().contains("building, because the last build did not finish"), next.said());
    }

    /// A compiler is a driver that waits for programs of its own.
    private void compiler() throws IOException {
        var compiler = ScriptRun.program(root.resolve("bin"), "slow++", "sleep 60 &\necho $$ $! >compiler; wait\n");
        environment.put("CXX", compiler.toString());
        Files.deleteIfExists(root.resolve("src/main/native/build.sh"));
        ScriptRun.copy(root, List.of("src/main/native/build.sh"));
    }

    /// A zombie has ended, too: its parent is gone, and the system's first process may be slow to look.
    private static boolean hasEnded(String pid) {
        try {
            var stat = Files.readString(Path.of("/proc", pid, "stat"));
            return stat.startsWith("Z", stat.lastIndexOf(')') + 2);
        } catch (IOException _) {
            return true;
        }
    }

    private void assertBuildIsOver() throws Exception {
        for (var file : List.of("compiler", "pid")) {
            if (Files.exists(root.resolve(file))) {
                for (var pid : Files.readString(root.resolve(file)).strip().split(" ")) {
                    ScriptRun.await("process " + pid + " of " + file + " has ended", () -> hasEnded(pid));
                }
            }
        }
        for (var lock : List.of("target/.build.lock", "target/classes/dev/llmworker/model")) {
            if (Files.exists(root.resolve(lock))) {
                var taken = new ProcessBuilder("flock", "-n", root.resolve(lock).toString(), "true").start();
                assertEquals(0, taken.waitFor(), lock + " is still locked");
            }
        }
        var library = root.resolve(LIBRARY);
        try (var files = Files.newDirectoryStream(library.getParent(), library.getFileName() + ".new*")) {
            assertFalse(files.iterator().hasNext(), "a library is half written");
        }
    }

    @Test
    void aSignalEndsEveryProgramOfABuildAndFreesItsLocks() throws Exception {
        for (var signal : Map.of("TERM", SIGTERM_STATUS, "INT", SIGINT_STATUS).entrySet()) {
            compiler();
            maven("touch target/worker.jar; sleep 60 &\necho $$ $! >pid; wait\n");
            // A test that is run in the background would pass on that interrupts are ignored.
            var run = ScriptRun.start(root, environment, "env", "--default-signal=INT", "./worker");
            awaitPid();
            ScriptRun.await(
                    "it compiles",
                    () -> Files.exists(root.resolve("compiler"))
                            && !Files.readString(root.resolve("compiler")).isBlank());
            new ProcessBuilder("kill", "-" + signal.getKey(), "" + run.process().pid())
                    .start()
                    .waitFor();
            assertEquals(signal.getValue(), run.status(), run.said());
            assertBuildIsOver();
            maven(BUILDS);
            environment.put("CXX", "true");
            var next = run();
            assertEquals(0, next.status(), next.said());
            assertTrue(next.said().contains("building, because the last build did not finish"), next.said());
            for (var file : List.of("compiler", "pid", "target/worker.jar")) {
                Files.delete(root.resolve(file));
            }
        }
    }

    @Test
    void aSignalToTheCompilationAloneEndsTheCompiler() throws Exception {
        compiler();
        var folder = LIBRARY.substring(0, LIBRARY.lastIndexOf('/'));
        var run = ScriptRun.start(root, environment, "bash", "src/main/native/build.sh", folder);
        ScriptRun.await(
                "it compiles",
                () -> Files.exists(root.resolve("compiler"))
                        && !Files.readString(root.resolve("compiler")).isBlank());
        var waiting = ScriptRun.start(root, environment, "bash", "src/main/native/build.sh", folder);
        // While it waits for the first one, it ends as well.
        ScriptRun.await(
                "the second one waits", () -> waiting.process().descendants().count() > 0);
        waiting.process().destroy();
        assertEquals(SIGTERM_STATUS, waiting.status(), waiting.said());
        run.process().destroy();
        assertEquals(SIGTERM_STATUS, run.status(), run.said());
        assertBuildIsOver();
    }

    @ParameterizedTest
    @CsvSource({"INT, 130", "TERM, 143", "HUP, 129"})
    void aSignalEndsTheAotTrainingAndTheNextStartTrains(String signal, int status) throws Exception {
        java("echo $$ >" + root + "/pid; touch target/worker.new.aot; exec sleep 60\n");
        var run = startThatSignalsEnd();
        awaitPid();
        end(run, signal, status);
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
    void eachJavaThatCannotBeUsedIsNamedOnceAndWhy() throws Exception {
        var jdk = root.resolve("jdk");
        Files.writeString(jdk.resolve("release"), "JAVA_VERSION=\"17.0.1\"\n");
        var jre = Files.createDirectories(root.resolve(".jdks/jre"));
        ScriptRun.program(jre.resolve("bin"), "java", "");
        Files.writeString(jre.resolve("release"), "JAVA_VERSION=\"25\"\n");
        Files.createSymbolicLink(root.resolve(".jdks/same"), jdk);
        Files.createSymbolicLink(root.resolve("bin/java"), jdk.resolve("bin/java"));
        // No other Java of this machine.
        var script = root.resolve("worker");
        Files.writeString(script, Files.readString(script).replace("/usr/lib/jvm/*", root + "/none/*"));
        var run = run();
        assertEquals(1, run.status());
        assertTrue(
                run.said()
                        .contains("missing: a JDK 25 or newer; found: 17 in " + jdk.toRealPath() + ", 25 in "
                                + jre.toRealPath() + ", which is a JRE without javac. To install one: "),
                run.said());
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
    void sourcesThatChangeOrAreDeletedLeadToABuild() throws Exception {
        var folder = Files.createDirectories(root.resolve("src/main/java"));
        var source = Files.createFile(folder.resolve("A.java"));
        run();
        assertFalse(run().said().contains("building"));
        for (var changed : List.of(source, folder, root.resolve("pom.xml"))) {
            var later = Instant.now().plusSeconds(5);
            Files.setLastModifiedTime(changed, FileTime.from(later));
            var run = run();
            assertTrue(run.said().contains("building, because its sources are newer than the build"), run.said());
            Files.setLastModifiedTime(changed, FileTime.from(Instant.EPOCH));
        }
        assertFalse(run().said().contains("building"));
    }

    @Test
    void aCheckoutThatCannotBeWrittenIsSaidToBe() throws Exception {
        // Nobody, not even root, can make a folder of this name.
        Files.createFile(root.resolve("target"));
        var run = run();
        assertEquals(1, run.status());
        assertEquals(
                "worker: " + root.toRealPath() + " cannot be written by this user, and the worker must be built there,"
                        + " because it is not built yet. Build it as its owner, or copy it to a folder of yours\n",
                run.said());
    }

    @Test
    void aFullDiskIsNamed() throws Exception {
        maven("echo '[ERROR] a.class: No space left on device'; exit 1\n");
        var run = run();
        assertEquals(1, run.status());
        assertTrue(run.said().contains("worker: the disk is full\nworker: the build failed; "), run.said());
    }

    @Test
    void aFailedBuildShowsMavensErrors() throws Exception {
        maven("echo '[INFO] no use'; echo '[ERROR] a.java:[1,2] wrong'; exit 1\n");
        var run = run();
        assertEquals(1, run.status());
        assertTrue(run.said().contains("[ERROR] a.java:[1,2] wrong\nworker: the build failed; "), run.said());
        assertFalse(run.said().contains("no use"), run.said());
        assertTrue(run.said().endsWith("/target/build.log\n"), run.said());
    }

    @Test
    void aMissingNetworkIsSaidWithoutWhatFollowsFromIt() throws Exception {
        var end = "worker: there is no network, or no way to Maven's repository, and libraries are missing";
        for (var cause :
                List.of("no-such.host: Name or service not known", "Connect to h:1 failed: Connection refused")) {
            var error = "[ERROR] Could not transfer artifact a:b:pom:1 from/to central (https://h): " + cause;
            maven("echo '" + error + "'; echo '[ERROR] dependencies.dependency.version is missing'; exit 1\n");
            var run = run();
            assertEquals(1, run.status());
            assertTrue(run.said().contains(error + "\n" + end), run.said());
            assertFalse(run.said().contains("is missing"), run.said());
        }
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
    void theStarterModelIsLookedForWhereTheWorkerLooks() throws Exception {
        environment.put("ENGINE", "djl");
        environment.put("XDG_CACHE_HOME", "");
        var place = new ModelLocator(Map.of("HOME", root.toString())::get, Progress.silent());
        var missing =
                String.valueOf(assertThrows(IOException.class, place::locate).getMessage());
        var file = Path.of(missing.replaceFirst(".*\\((.*?)\\).*", "$1"));
        assertTrue(file.startsWith(root), missing);
        Files.createDirectories(file.resolveSibling("."));
        Files.createFile(file);
        var run = run();
        assertEquals(0, run.status(), run.said());
        assertFalse(run.said().contains("fetch-starter-model"), run.said());
    }

    @Test
    void anArgumentIsTheModel() throws Exception {
        environment.put("ENGINE", "djl");
        java("echo \"MODEL is <$MODEL>, $# arguments, last ${*: -1}\"\n");
        var file = Files.createFile(root.resolve("a model.gguf"));
        for (var model : List.of(file.toString(), "a model.gguf", ".", "org/name", "org/name:file.gguf")) {
            for (var arguments : List.of(List.of(model), List.of("--", model))) {
                var run = run(arguments);
                assertEquals(0, run.status(), run.said());
                assertTrue(run.said().contains("MODEL is <" + model + ">, "), run.said());
                assertTrue(run.said().endsWith("last dev.llmworker.Worker\n"), run.said());
                assertFalse(run.said().contains("fetch-starter-model"), run.said());
            }
        }
    }

    @Test
    void whatIsNoModelIsRefusedAtOnceAsTheWorkerRefusesIt() throws Exception {
        for (var model : List.of(
                "/no/such.gguf",
                "no-such.gguf",
                "./no",
                "foo",
                "no/such/path/of/five",
                "~/x.gguf",
                "~/a b.gguf",
                "a\\b",
                "org/name.gguf",
                "org/a b")) {
            var environment = Map.of("MODEL", model, "HOME", root.toString());
            var locator = new ModelLocator(environment::get, Progress.silent());
            var said = assertThrows(IOException.class, locator::locate).getMessage();
            assertRefused("worker: " + said + "\n", model);
        }
        assertTrue(run(List.of("~/x.gguf"))
                .said()
                .endsWith(": no such file. A shell replaces ~ only if it is not in quotes; write MODEL=" + root
                        + "/x.gguf\n"));
    }

    @Test
    void aMisuseSaysWhatToWrite() throws Exception {
        var more = ". ./worker --help lists what there is\n";
        assertRefused(
                "worker: there can be one MODEL, and these are 2. If it is one path with blanks, quote it: ./worker"
                        + " 'my models/it'\\''s.gguf'" + more,
                "my",
                "models/it's.gguf");
        assertRefused("worker: settings come first: PORT=8080 ./worker" + more, "a.gguf", "PORT=8080");
        assertRefused("worker: there is no option --port. It is a setting: PORT=… ./worker" + more, "--port", "80");
        assertRefused(
                "worker: there is no option --max-slots=4. It is a setting: MAX_SLOTS=… ./worker" + more,
                "--max-slots=4");
        assertRefused(
                "worker: there is no option --hlep. Settings are environment variables, such as PORT=8080 ./worker"
                        + more,
                "--hlep");
        assertRefused("worker: the MODEL is empty" + more, "");
        assertRefused(
                "worker: --self-test takes no arguments; write MODEL=… ./worker --self-test" + more,
                "--self-test",
                "x.gguf");
        assertRefused(
                "worker: --check-model takes a model: a file, a folder or a Hugging Face id" + more, "--check-model");
        assertFalse(Files.exists(root.resolve("target")));
    }

    @Test
    void theVersionIsThatOfTheBuild() throws Exception {
        var run = run(List.of("--version"));
        assertEquals(0, run.status());
        assertTrue(run.said().matches("camel-llm-worker \\d+\\.\\d+\\.\\d+\\S*\n"), run.said());
    }

    @Test
    void otherSystemsAreRefusedUnlessAnotherServerDecodes() throws Exception {
        environment.put("OSTYPE", "darwin24");
        assertEquals(0, run().status());
        environment.putAll(Map.of("ENGINE", "djl", "MODEL", "x.gguf"));
        var run = run();
        assertEquals(1, run.status());
        assertTrue(
                run.said()
                        .startsWith("worker: ENGINE=djl decodes on Linux on x86-64 and ARM64 and on macOS on ARM64"
                                + " only, and this is "),
                run.said());
        assertEquals(1, run.said().lines().count());
        for (var served : List.of("linux-gnu aarch64", "linux-gnu x86_64", "darwin24 arm64", "darwin24 aarch64")) {
            environment.put("OSTYPE", served.split(" ")[0]);
            environment.put("HOSTTYPE", served.split(" ")[1]);
            assertEquals(0, run().status(), served);
        }
        environment.put("OSTYPE", "linux-gnu");
        environment.put("HOSTTYPE", "riscv64");
        assertEquals(1, run().status());
    }

    /// What editors and files of variables on Windows leave in a text.
    @Test
    void marksAndCarriageReturnsAreNoPartOfASetting() throws Exception {
        environment.remove("ENGINE");
        var properties = root.resolve("routes/application.properties");
        for (var encoding : List.of(StandardCharsets.UTF_8, StandardCharsets.UTF_16LE)) {
            Files.writeString(properties, "\uFEFFENGINE = mock\r\nPORT=1\r\n", encoding);
            var run = run();
            assertEquals(0, run.status(), run.said());
            assertFalse(run.said().contains("fetch-starter-model"), run.said());
        }
        Files.delete(properties);
        environment.put("ENGINE", "\uFEFFmock\r");
        environment.put("JAVA_HOME", environment.get("JAVA_HOME") + "\r");
        environment.put("JAVA_OPTS", "-Da=b\r\n-Dc=d\r");
        var run = run();
        assertEquals(0, run.status(), run.said());
        assertTrue(run.said().contains(" -Da=b -Dc=d -cp "), run.said());
    }

    @Test
    void whatWasBuiltDoesNotCountAsTheWorkersStart() throws Exception {
        assertTrue(run().said().matches("(?s).* -Dllmworker.prepared.millis=\\d+ .*"));
        assertFalse(run().said().contains("llmworker.prepared"));
    }

    @Test
    void aSecondSignalKillsWhatIgnoresTheFirst() throws Exception {
        maven("trap '' TERM; echo $$ >pid; sleep 60; sleep 60\n");
        var run = start();
        awaitPid();
        run.process().destroy();
        ScriptRun.await("the first signal has come", () -> {
            run.process().destroy();
            return !run.process().isAlive();
        });
        assertEquals(SIGTERM_STATUS, run.status(), run.said());
    }

    /// A shell ignores a signal for good if the process that starts it does.
    private ScriptRun startThatSignalsEnd() throws IOException {
        return ScriptRun.start(root, environment, "env", "--default-signal", "./worker");
    }

    /// Ends the launcher, and sees that what it ran has ended too.
    private void end(ScriptRun run, String signal, int status) throws Exception {
        var kill = new ProcessBuilder(
                "kill", "-s", signal, String.valueOf(run.process().pid()));
        assertEquals(0, kill.start().waitFor());
        assertEquals(status, run.status(), run.said());
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

    private void awaitPid() {
        ScriptRun.await(
                "it runs",
                () -> Files.exists(root.resolve("pid"))
                        && !Files.readString(root.resolve("pid")).isBlank());
    }

    private void assertRefused(String message, String... arguments) throws Exception {
        var run = run(List.of(arguments));
        assertEquals(message, run.said());
        assertEquals(MISUSED_STATUS, run.status());
    }

    private ScriptRun start() throws IOException {
        return ScriptRun.start(root, environment, "./worker");
    }

    private ScriptRun run() throws Exception {
        return run(List.of());
    }

    private ScriptRun run(List<String> arguments) throws Exception {
        var command = new ArrayList<>(List.of("./worker"));
        command.addAll(arguments);
        var run = ScriptRun.start(root, environment, command.toArray(String[]::new));
        run.status();
        return run;
    }
}
