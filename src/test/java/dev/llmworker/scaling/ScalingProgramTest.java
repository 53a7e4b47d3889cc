package dev.llmworker.scaling;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.ObjectMapper;
import dev.llmworker.generation.MockGenerator;
import dev.llmworker.testing.ChildJvm;
import dev.llmworker.testing.FreePort;
import dev.llmworker.testing.RunningWorker;
import dev.llmworker.testing.StartsProcesses;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// The programs as they are started: with wrong options, without a server, over TLS, ended by
/// Ctrl-C.
@StartsProcesses
class ScalingProgramTest {
    private static final int SIGINT_EXIT = 130;
    private static final int TIMEOUT_SECONDS = 150;

    @TempDir
    Path folder;

    private List<String> words(String url, String... more) {
        var words = new ArrayList<>(List.of(
                "--url=" + url, "--json=" + folder.resolve("report.json"), "--html=" + folder.resolve("report.html")));
        words.addAll(List.of(more));
        return words;
    }

    @Test
    void aWrongOptionIsNamedWithWhatItMustBe() throws Exception {
        for (var program : List.of("ScalingTest", "LoadTest")) {
            var process = ScalingPrograms.launched(program, List.of("--timeout", "soon"))
                    .redirectErrorStream(true)
                    .start();
            var output = new String(process.getInputStream().readAllBytes());
            assertEquals(
                    program
                            + ": Invalid value for option '--timeout': it must be a number from 0 to 86400, and is \"soon\"",
                    output.strip());
            assertEquals(2, process.waitFor());
        }
        assertEquals(2, ScalingPrograms.run("ScalingTest", List.of("--url", "localhost:8080")));
        assertEquals(2, ScalingPrograms.run("ScalingTest", List.of("--connections", "0")));
        assertEquals(2, ScalingPrograms.run("ScalingTest", List.of("--unknown")));
        assertEquals(2, ScalingPrograms.run("LoadTest", List.of("--api=openai", "--over=websocket")));
        assertEquals(0, ScalingPrograms.run("LoadTest", List.of("--help")));
    }

    @Test
    void aJavaThatIsTooOldHasANewerOneRunTheProgram() throws Exception {
        var old = folder.resolve("jdk-17");
        Files.createDirectories(old.resolve("bin"));
        assertTrue(
                Files.createFile(old.resolve("bin").resolve("javac")).toFile().setExecutable(true));
        Files.writeString(old.resolve("release"), "JAVA_VERSION=\"17.0.15\"\n");
        var script = ScalingPrograms.FOLDER.resolve("run").toString();
        var builder =
                new ProcessBuilder("bash", script, old.toString(), "LoadTest", "--help").redirectErrorStream(true);
        builder.environment().put("JAVA_HOME", System.getProperty("java.home"));
        var process = builder.start();
        var output = new String(process.getInputStream().readAllBytes());
        assertEquals(0, process.waitFor(), output);
        assertTrue(output.startsWith("Usage: java scaling-tests/LoadTest.java"), output);
    }

    @Test
    void withoutAServerItEndsWithThree() throws Exception {
        var port = FreePort.choose();
        for (var program : List.of("ScalingTest", "LoadTest")) {
            assertEquals(3, ScalingPrograms.run(program, words("http://127.0.0.1:" + port, "--wait=0.2")));
        }
    }

    @Test
    void ctrlCWritesTheReportOfWhatWasMeasured() throws Exception {
        try (var worker = RunningWorker.with(new MockGenerator())) {
            var words = words(worker.uri("").toString(), "--health-polls=3", "--health-interval=0.1", "--control=3600");
            var program = ScalingPrograms.launched("ScalingTest", words);
            ScalingPrograms.hearInterrupts(program);
            var process = program.start();
            try (var progress = process.errorReader()) {
                var line = progress.readLine();
                while (line != null && !line.contains("control")) {
                    line = progress.readLine();
                }
                new ProcessBuilder("kill", "-INT", Long.toString(process.pid()))
                        .start()
                        .waitFor();
                assertTrue(process.waitFor(TIMEOUT_SECONDS, TimeUnit.SECONDS));
            } finally {
                process.destroyForcibly();
            }
            assertEquals(SIGINT_EXIT, process.exitValue());
        }
        var report = new ObjectMapper().readTree(folder.resolve("report.json").toFile());
        assertTrue(report.at("/stopped").asText().startsWith("interrupted after"), report::toPrettyString);
        assertEquals("passed", report.at("/tests/0/answer").asText());
        assertEquals("unfinished", report.at("/tests/1/answer").asText());
        assertEquals(3, report.at("/measured/polls").size());
        assertTrue(Files.readString(folder.resolve("report.html")).contains("Not all was run: interrupted"));
    }

    @Test
    void tlsIsSpokenAndACertificateOfNobodyIsRefused() throws Exception {
        var arguments = "-genkeypair -alias key -keyalg EC -dname CN=localhost -storepass changeit -keystore store.p12";
        ChildJvm.keytool(folder, List.of(arguments.split(" ")));
        try (var balancer = new FakeBalancer(rules -> rules.keyStore = folder.resolve("store.p12"))) {
            var words = words(
                    balancer.url(),
                    "--connections=4",
                    "--duration=0.3",
                    "--health-polls=2",
                    "--health-interval=0.1",
                    "--wait=0.2");
            assertEquals(3, ScalingPrograms.run("ScalingTest", words));
            words.add("--insecure");
            assertEquals(0, ScalingPrograms.run("ScalingTest", words));
        }
        var report = new ObjectMapper().readTree(folder.resolve("report.json").toFile());
        assertEquals(4, report.at("/sockets/alone/opened").asInt());
    }
}
