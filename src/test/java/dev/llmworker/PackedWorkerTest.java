package dev.llmworker;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.llmworker.testing.Concurrent;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// How the scripts in `src/test/gpu` find a JDK and see that what they packed is old, in a checkout of their own.
@Timeout(180)
class PackedWorkerTest {
    private static final String PACKED = "target/gpu/worker/packed";
    private static final String PACK_UNLESS_CURRENT = "pack_unless_current " + PACKED + " src/test/gpu/pack.sh";
    private static final String PACK = """
            #!/bin/bash
            set -euo pipefail
            . src/test/gpu/packing.sh
            find_jdk
            build_worker
            echo "packed with $java_version" >>calls
            mkdir -p target/gpu/worker
            contents_for src/test/gpu/pack.sh "${1:-}" >target/gpu/worker/packed
            """;

    @TempDir
    Path root;

    @BeforeEach
    void makeCheckout() throws IOException {
        ScriptRun.copy(root, List.of("src/test/find-jdk.sh", "src/test/gpu/packing.sh", "pom.xml"));
        for (var name : List.of(
                "src/main/jvm/java.args",
                "docker/image.args",
                "src/main/Some.java",
                "routes/some.yaml",
                "target/worker.jar")) {
            Files.createDirectories(root.resolve(name).getParent());
            Files.writeString(root.resolve(name), name);
        }
        ScriptRun.program(root.resolve("src/test/gpu"), "pack.sh", PACK);
        ScriptRun.program(root.resolve("bin"), "mvn", "echo built >>calls; echo new >target/worker.jar\n");
        ScriptRun.program(root.resolve("bin"), "javac", "");
        jdk("17", "17.0.15");
    }

    private void jdk(String folder, String version) throws IOException {
        var home = root.resolve("jdks").resolve(folder);
        ScriptRun.program(home.resolve("bin"), "javac", "");
        Files.writeString(home.resolve("release"), "IMPLEMENTOR=\"x\"\nJAVA_VERSION=\"" + version + "\"\n");
    }

    /// `JAVA_HOME` is the old one, as on a machine whose default is old.
    private ScriptRun run(String bash) throws Exception {
        var environment = Map.of(
                "PATH",
                root.resolve("bin") + ":" + System.getenv("PATH"),
                "HOME",
                root.toString(),
                "JAVA_HOME",
                root.resolve("jdks/17").toString(),
                "JDK_FOLDERS",
                root + "/jdks/*");
        var run = ScriptRun.start(root, environment, "bash", "-c", ". src/test/gpu/packing.sh; " + bash);
        run.status();
        return run;
    }

    private List<String> pack() throws Exception {
        var run = run(PACK_UNLESS_CURRENT);
        assertEquals(0, run.status(), run.said());
        return calls();
    }

    /// Makes it newer than what was built, and older than what is built now.
    private void changedAfterTheBuild(String name) throws IOException {
        var built = Files.getLastModifiedTime(root.resolve("target/worker.jar")).toInstant();
        Files.setLastModifiedTime(root.resolve(name), FileTime.from(built.plusMillis(1)));
    }

    private List<String> calls() throws IOException {
        var calls = root.resolve("calls");
        return Files.exists(calls) ? Files.readAllLines(calls) : List.of();
    }

    @Concurrent
    @Test
    void anOldJdkIsPassedOver() throws Exception {
        jdk("25", "25.0.1");
        assertEquals(
                "25.0.1 " + root + "/jdks/25\n",
                run("find_jdk; echo $java_version $java_home").said());
    }

    @Concurrent
    @Test
    void withoutAJdkThatIsNewEnoughNothingIsPacked() throws Exception {
        var run = run(PACK_UNLESS_CURRENT);
        assertEquals(2, run.status(), run.said());
        assertTrue(run.said().contains("needs a JDK 25 or newer; set JAVA_HOME to its folder"), run.said());
        assertTrue(calls().isEmpty(), calls().toString());
    }

    @Concurrent
    @Test
    void whatAnotherJdkPackedIsReplaced() throws Exception {
        jdk("25", "25.0.1");
        assertEquals(List.of("packed with 25.0.1"), pack());
        assertEquals(List.of("packed with 25.0.1"), pack());
        Files.writeString(root.resolve("jdks/25/release"), "JAVA_VERSION=\"25.0.2\"\n");
        assertEquals(List.of("packed with 25.0.1", "packed with 25.0.2"), pack());
    }

    @Concurrent
    @Test
    void whatWasPackedFromOlderSourcesIsReplaced() throws Exception {
        jdk("25", "25.0.1");
        pack();
        changedAfterTheBuild("src/main/Some.java");
        assertEquals(List.of("packed with 25.0.1", "built", "packed with 25.0.1"), pack());
    }

    @Concurrent
    @Test
    void whatWasPackedWithOtherRoutesIsReplaced() throws Exception {
        jdk("25", "25.0.1");
        pack();
        Files.writeString(root.resolve("routes/more.yaml"), "- route:");
        assertEquals(List.of("packed with 25.0.1", "packed with 25.0.1"), pack());
    }

    /// A check names no model. It takes what was packed with one, and does not replace it by a worker without.
    @Concurrent
    @Test
    void whatWasPackedWithAModelIsNotReplaced() throws Exception {
        jdk("25", "25.0.1");
        assertEquals(0, run("src/test/gpu/pack.sh m.gguf").status());
        assertEquals(List.of("packed with 25.0.1"), pack());
        Files.writeString(root.resolve("routes/more.yaml"), "- route:");
        var run = run(PACK_UNLESS_CURRENT);
        assertEquals(1, run.status(), run.said());
        assertTrue(run.said().contains("was packed with MODEL m.gguf: run src/test/gpu/pack.sh so again"), run.said());
        assertEquals(List.of("packed with 25.0.1"), calls());
    }

    @Concurrent
    @Test
    void aLostSourceIsNoticed() throws Exception {
        jdk("25", "25.0.1");
        pack();
        Files.delete(root.resolve("src/main/Some.java"));
        changedAfterTheBuild("src/main");
        assertEquals(List.of("packed with 25.0.1", "built", "packed with 25.0.1"), pack());
    }

    @Concurrent
    @Test
    void whatWasPackedForAnotherPyTorchIsPackedSoAgain() throws Exception {
        jdk("25", "25.0.1");
        var options = "export DJL_SOURCE=djl TORCH_VERSION=2.11.0; ";
        assertEquals(0, run(options + PACK_UNLESS_CURRENT).status());
        assertEquals(0, run(options + PACK_UNLESS_CURRENT).status());
        assertEquals(List.of("packed with 25.0.1"), pack());
        Files.writeString(root.resolve("routes/more.yaml"), "- route:");
        assertEquals(1, run(PACK_UNLESS_CURRENT).status());
        assertEquals(0, run(options + PACK_UNLESS_CURRENT).status());
        assertEquals(List.of("packed with 25.0.1", "packed with 25.0.1"), calls());
    }

    @Concurrent
    @Test
    void whatWasPackedWithoutOptionsIsReplacedIfThereAreSome() throws Exception {
        jdk("25", "25.0.1");
        pack();
        assertEquals(0, run("export DJL_SOURCE=djl; " + PACK_UNLESS_CURRENT).status());
        assertEquals(List.of("packed with 25.0.1", "packed with 25.0.1"), calls());
    }
}
