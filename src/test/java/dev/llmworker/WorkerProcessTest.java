package dev.llmworker;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.llmworker.command.TinyModel;
import dev.llmworker.serving.camel.PlainCamelMain;
import dev.llmworker.testing.Await;
import dev.llmworker.testing.ChildJvm;
import dev.llmworker.testing.FaultyServer;
import dev.llmworker.testing.FreePort;
import dev.llmworker.testing.Metrics;
import dev.llmworker.testing.RouteFolder;
import dev.llmworker.testing.RunningWorker;
import dev.llmworker.testing.StartsProcesses;
import dev.llmworker.testing.TestSocket;
import dev.llmworker.testing.WorkerProcess;
import java.io.BufferedReader;
import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.URI;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// `main` in a JVM of its own: how it starts, fails and stops.
@StartsProcesses
class WorkerProcessTest {
    private static final int SIGTERM_EXIT = 143;
    private static final int TIMEOUT_SECONDS = 150;

    private static Process start(Map<String, String> environment) throws IOException {
        return start(Worker.class, Path.of("."), environment);
    }

    private static Process start(Class<?> main, Path folder, Map<String, String> environment, String... arguments)
            throws IOException {
        return ChildJvm.of(main, environment, arguments)
                .directory(folder.toFile())
                .start();
    }

    /// What it printed, without the JVM's own warnings.
    private static List<String> lines(Process process) throws IOException {
        var lines = new ArrayList<String>();
        try (var reader = process.inputReader()) {
            reader.lines()
                    .filter(line -> !line.startsWith("WARNING: ") && !line.startsWith("NOTE: "))
                    .forEach(lines::add);
        }
        return lines;
    }

    private static void assertFails(Map<String, String> environment, String message) throws Exception {
        var process = start(environment);
        assertEquals(List.of("worker: " + message), lines(process));
        assertTrue(process.waitFor(TIMEOUT_SECONDS, TimeUnit.SECONDS));
        assertEquals(1, process.exitValue());
    }

    @Test
    void aWrongSettingEndsItWithOneLine() throws Exception {
        assertFails(Map.of("ENGINE", "mock", "PORT", "x"), "PORT is \"x\"; it must be a whole number from 0 to 65535");
    }

    @Test
    void aPortInUseEndsItWithOneLine() throws Exception {
        try (var taken = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            var port = taken.getLocalPort();
            for (var engine : List.of("mock", "djl")) {
                assertFails(
                        Map.of("ENGINE", engine, "HOST", "127.0.0.1", "PORT", Integer.toString(port)),
                        "port " + port + " is in use by another process; stop it or choose another: PORT=" + (port + 1)
                                + " ./worker");
            }
        }
    }

    @Test
    void aMissingFolderOfRoutesEndsItWithOneLine() throws Exception {
        assertFails(
                Map.of("ENGINE", "mock", "HOST", "127.0.0.1", "PORT", "0", "ROUTES", "no/such/folder"),
                "ROUTES is \"no/such/folder\", which is not a folder; it must be a folder with *.camel.yaml files");
    }

    @Test
    void argumentsThatItCannotUnderstandEndItWithOneLine() throws Exception {
        for (var arguments :
                new String[][] {{"a.gguf", "b.gguf"}, {"--hlep"}, {"--check-model"}, {"--self-test", "x"}}) {
            var process = start(Worker.class, Path.of("."), Map.of("ENGINE", "mock"), arguments);
            assertEquals(
                    List.of("worker: cannot understand the arguments " + String.join(" ", arguments)
                            + "; there may be a MODEL to serve, --check-model MODEL, --self-test or --version"),
                    lines(process));
            assertEquals(2, process.waitFor());
        }
        var version = start(Worker.class, Path.of("."), Map.of(), "--version");
        assertTrue(lines(version).getFirst().startsWith("camel-llm-worker "));
        assertEquals(0, version.waitFor());
    }

    @Test
    void anotherSystemIsRefusedInOneLine() throws Exception {
        assertFails(
                Map.of("JDK_JAVA_OPTIONS", "-Dos.arch=riscv64"),
                "ENGINE=djl decodes on Linux on x86-64 and ARM64 and on macOS on ARM64 only, and this is Linux on"
                        + " riscv64. ENGINE=openai and ENGINE=mock run here, and so does the image for linux/amd64 or"
                        + " linux/arm64");
    }

    @Test
    void withoutATerminalAModelThatFailedIsTheLastLineAndPingSaysSo() throws Exception {
        var environment = Map.of("ENGINE", "djl", "MODEL", "/no/such.gguf");
        try (var worker = WorkerProcess.start(Worker.class, environment)) {
            var last =
                    "ERROR Worker: nothing can be served, /ping answers 503 and the worker exits in 60 s: the model cannot be loaded:"
                            + " MODEL=/no/such.gguf: no such file";
            Await.until("it says so", () -> worker.lines.getLast().endsWith(last));
            assertEquals(503, worker.get("/ping").statusCode());
        }
    }

    @Test
    void aModelThatFailedEndsItInOrderAfterItsTime() throws Exception {
        var process = start(Map.of(
                "ENGINE",
                "djl",
                "MODEL",
                "/no/such.gguf",
                "HOST",
                "127.0.0.1",
                "PORT",
                "0",
                "ENGINE_FAILURE_EXIT",
                "1"));
        var ends = lines(process).stream()
                .filter(line -> line.contains(" Worker: the worker ends "))
                .map(line -> line.replaceFirst(".* Worker: ", ""))
                .toList();
        assertEquals(
                List.of("the worker ends with status 1, because the model cannot be loaded: MODEL=/no/such.gguf:"
                        + " no such file"),
                ends);
        assertTrue(process.waitFor(TIMEOUT_SECONDS, TimeUnit.SECONDS));
        assertEquals(1, process.exitValue());
    }

    /// `script` runs it at a terminal of its own.
    @Test
    void atATerminalAModelThatFailedIsTheLastLineAndEndsIt(@TempDir Path folder) throws Exception {
        var run = atTerminal(folder, Map.of("MODEL", "/no/such.gguf"));
        var said = lines(run);
        assertTrue(run.waitFor(TIMEOUT_SECONDS, TimeUnit.SECONDS), said::toString);
        assertEquals(1, run.exitValue(), said::toString);
        assertTrue(
                said.getLast()
                        .endsWith("ERROR Worker: nothing can be served: the model cannot be loaded:"
                                + " MODEL=/no/such.gguf: no such file"),
                said::toString);
    }

    @Test
    void readyComesAfterTheRoutesAndTheModel(@TempDir Path folder) throws Exception {
        var model = folder.resolve("model.gguf");
        TinyModel.write(model);
        var environment = Map.of("ENGINE", "djl", "MODEL", model.toString(), "MAX_SLOTS", "1");
        try (var worker = WorkerProcess.start(Worker.class, environment)) {
            Await.until("it is ready", () -> worker.lines.getLast().contains("Model: try: curl "));
            var serving = index(worker.lines, "Worker: serving on ");
            var ready = index(worker.lines, "LocalModel: ready: model (");
            assertTrue(serving < ready && ready == worker.lines.size() - 2, worker.lines::toString);
            assertTrue(worker.lines.get(ready).contains(" 1 slot of "), worker.lines::toString);
            assertEquals(
                    200,
                    worker.post("/generate", "{\"prompt\":\"x\",\"max_tokens\":1}")
                            .statusCode());
            worker.terminate();
            assertEquals(SIGTERM_EXIT, worker.exit());
            assertTrue(worker.lines.getLast().endsWith("Drain: stopping: no generation runs"), worker.lines::toString);
        }
    }

    private static int index(List<String> lines, String part) {
        for (var i = 0; i < lines.size(); i++) {
            if (lines.get(i).contains(part)) {
                return i;
            }
        }
        throw new AssertionError("no line has " + part + ": " + lines);
    }

    private static Process atTerminal(Path folder, Map<String, String> environment) throws IOException {
        var builder = new ProcessBuilder(
                        "script",
                        "-qec",
                        "'" + ChildJvm.java() + "' --enable-native-access=ALL-UNNAMED " + Worker.class.getName(),
                        folder.resolve("typescript").toString())
                .redirectErrorStream(true);
        builder.environment().putAll(Map.of("HOST", "127.0.0.1", "PORT", "0"));
        builder.environment().put("CLASSPATH", System.getProperty("java.class.path"));
        builder.environment().putAll(environment);
        return builder.start();
    }

    @Test
    void theSelfTestEndsWithZeroWhereItPassesAndWithOneWhereItCannotRun(@TempDir Path folder) throws Exception {
        var model = folder.resolve("model.gguf");
        TinyModel.write(model);
        var here = Path.of(".");
        var passing = Map.of("MODEL", model.toString(), "DEVICE", "cpu", "MAX_SLOTS", "1", "LOG_LEVEL", "off");
        var process = start(Worker.class, here, passing, "--self-test");
        var said = lines(process);
        assertTrue(said.getLast().startsWith("result    passed after "), said::toString);
        assertEquals(0, process.waitFor());
        var without = start(Worker.class, here, Map.of("MODEL", model.toString(), "DEVICE", "cuda:99"), "--self-test");
        said = lines(without);
        assertTrue(
                said.getLast().startsWith("worker: cannot start: device is cuda:99; libtorch sees "), said::toString);
        assertEquals(1, without.waitFor());
    }

    @Test
    void sigtermClosesSocketsWith1001AndEndsItAmidAnAnswer() throws Exception {
        var process = start(Map.of("ENGINE", "mock", "HOST", "127.0.0.1", "PORT", "0", "DRAIN_TIMEOUT", "1"));
        try (var reader = process.inputReader();
                var socket = TestSocket.connect(URI.create("ws://127.0.0.1:" + port(reader) + "/ws"))) {
            socket.send("{\"prompt\":\"x\",\"max_tokens\":1000000}").next();
            process.destroy();
            assertEquals(1001, socket.closeCode());
            assertTrue(process.waitFor(TIMEOUT_SECONDS, TimeUnit.SECONDS));
            assertEquals(SIGTERM_EXIT, process.exitValue());
        } finally {
            process.destroyForcibly();
        }
    }

    @Test
    void aServerOfItsOwnIsStartedAgainAnswersWhileItDrainsAndEndsWithIt(@TempDir Path folder) throws Exception {
        var server = FaultyServer.in(folder);
        var answers = folder.resolve("answers");
        var environment = Map.of("ENGINE", "openai", "ENGINE_COMMAND", server.command("answers=" + answers));
        try (var worker = WorkerProcess.start(Worker.class, environment)) {
            Await.until("it is ready", () -> ping(worker) == 200);
            server.servers().getFirst().kill();
            Await.until("it is started again", () -> metric(worker, "llmworker_engine_restarts_total") == 1);
            Await.until("it is ready again", () -> {
                var status = ping(worker);
                assertTrue(status == 200 || status == 204, () -> "/ping answers " + status);
                return status == 200;
            });
            var answer = new FutureTask<>(() -> worker.post("/generate", "{\"prompt\":\"x\"}"));
            Thread.ofVirtual().start(answer);
            Await.until("it runs", () -> metric(worker, "llmworker_generations_running") == 1);
            worker.terminate();
            Await.until(
                    "it drains",
                    () -> worker.lines.getLast().endsWith("Drain: stopping: waiting up to 30 s for 1 generation"));
            assertTrue(server.servers().getLast().isAlive());
            Files.createFile(answers);
            assertEquals(200, answer.get().statusCode());
            assertEquals(SIGTERM_EXIT, worker.exit());
        }
        assertTrue(server.all().stream().noneMatch(FaultyServer.Started::isAlive), server.all()::toString);
        assertEquals(2, server.servers().size());
    }

    private static int ping(WorkerProcess worker) {
        try {
            return worker.get("/ping").statusCode();
        } catch (Exception e) {
            throw new AssertionError(e);
        }
    }

    private static double metric(WorkerProcess worker, String name) {
        try {
            return Metrics.parse(worker.get("/metrics").body()).value(name);
        } catch (Exception e) {
            throw new AssertionError(e);
        }
    }

    @Test
    void aCamelThatOnlyHasTheJarServesTheSameRoutes(@TempDir Path folder) throws Exception {
        RouteFolder.in(folder).route("greeting", "platform-http:/greeting", "setBody: {simple: '{{greeting}}'}");
        Files.writeString(folder.resolve("application.properties"), "\uFEFFgreeting = hello\r\nPORT = 1\r\n");
        var port = FreePort.choose();
        var process = start(
                PlainCamelMain.class,
                folder,
                Map.of("ENGINE", "mock", "HOST", "127.0.0.1", "PORT", Integer.toString(port)));
        try {
            Await.until("it serves", () -> {
                assertTrue(process.isAlive(), "it ended");
                return status(port) == 200;
            });
            try (var socket = TestSocket.connect(URI.create("ws://127.0.0.1:" + port + "/ws"))) {
                var answer = socket.send("{\"prompt\":\"x\",\"max_tokens\":3}").answer();
                assertEquals(4, answer.size());
            }
            assertEquals("hello", get(port, "/greeting").body());
            process.destroy();
            assertTrue(process.waitFor(TIMEOUT_SECONDS, TimeUnit.SECONDS));
            assertEquals(SIGTERM_EXIT, process.exitValue());
        } finally {
            process.destroyForcibly();
        }
    }

    private static int status(int port) {
        try {
            return get(port, "/ping").statusCode();
        } catch (Exception _) {
            return 0;
        }
    }

    private static HttpResponse<String> get(int port, String path) throws Exception {
        return RunningWorker.send(HttpRequest.newBuilder(URI.create("http://127.0.0.1:" + port + path)));
    }

    /// The port in the line that says where it serves.
    private static int port(BufferedReader reader) throws IOException {
        for (var line = reader.readLine(); line != null; line = reader.readLine()) {
            var at = line.indexOf("serving on http://127.0.0.1:");
            if (at >= 0) {
                assertTrue(
                        line.endsWith("routes: / /detokenize /generate /mcp /metrics /ping /stats /tokenize"
                                + " /v1/chat/completions /v1/completions /v1/embeddings /v1/generations/{id}/cancel /v1/messages"
                                + " /v1/messages/count_tokens /v1/models /v1/models/ /v1/rerank /v1/responses"
                                + " /v1/responses/{id} /v1/responses/{id}/cancel /v1/responses/{id}/input_items /ws"),
                        line);
                return Integer.parseInt(line.substring(at).split("[: ]+")[4]);
            }
        }
        throw new IOException("the worker ended before it served");
    }
}
