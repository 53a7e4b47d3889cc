package dev.llmworker.remote;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.llmworker.Worker;
import dev.llmworker.generation.Readiness;
import dev.llmworker.testing.Await;
import dev.llmworker.testing.Concurrent;
import dev.llmworker.testing.Events;
import dev.llmworker.testing.FreePort;
import dev.llmworker.testing.RemoteWorker;
import dev.llmworker.testing.ScriptedServer;
import dev.llmworker.testing.TestCertificates;
import dev.llmworker.testing.WorkerProcess;
import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Map;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// Servers at `https://`: whom the worker trusts, and what it says of the others.
class RemoteTlsTest {
    private static final String PROMPT = "{\"prompt\":\"a\"}";
    private static final String NOT_TRUSTED = "the certificate of the engine's server is not trusted";

    private static TestCertificates certificates;

    @BeforeAll
    static void certify(@TempDir Path folder) throws Exception {
        certificates = new TestCertificates(folder);
    }

    private static ScriptedServer serverFor(String host, int port) throws Exception {
        return new ScriptedServer(certificates.serverFor(host, port))
                .answers((_, wire) -> wire.stream().delta("secret").end("stop", 1, 1));
    }

    private static Map<String, String> trusting() {
        return Map.of("ENGINE_CA_FILE", certificates.authority().toString());
    }

    private static void assertRefused(RemoteWorker remote, String reason) throws Exception {
        Await.until("it is refused", () -> remote.generator.readiness() instanceof Readiness.Failed);
        var ping = remote.worker.get("/ping");
        assertEquals(503, ping.statusCode());
        assertTrue(ping.body().contains(reason), ping.body());
        var answer = remote.worker.post("/generate", PROMPT);
        assertEquals(503, answer.statusCode());
        assertTrue(answer.body().contains(reason), answer.body());
    }

    @Concurrent
    @Test
    void anAuthorityOfAFileIsTrusted() throws Exception {
        try (var server = serverFor("localhost", 0);
                var remote = new RemoteWorker(trusting(), server)) {
            remote.awaitReady();
            assertEquals(
                    "secret",
                    Events.json(remote.worker.post("/generate", PROMPT).body())
                            .get("generated_text")
                            .asText());
            remote.assertIdle();
        }
    }

    @Concurrent
    @Test
    void whomTheJvmTrustsIsTrusted() throws Exception {
        var options = "-Djavax.net.ssl.trustStore=" + certificates.trustStore() + " -Djavax.net.ssl.trustStorePassword="
                + TestCertificates.PASSWORD;
        try (var server = serverFor("localhost", 0);
                var worker = WorkerProcess.start(
                        Worker.class,
                        Map.of("ENGINE", "openai", "ENGINE_BASE_URL", server.url(), "JDK_JAVA_OPTIONS", options))) {
            Await.until("it is ready", () -> status(worker) == 200);
            assertEquals(
                    "{\"generated_text\":\"secret\"}",
                    worker.post("/generate", PROMPT).body());
        }
    }

    @Concurrent
    @Test
    void anUnknownAuthorityIsSaidAtOnceAndWhatToDo() throws Exception {
        try (var server = serverFor("localhost", 0);
                var worker = WorkerProcess.start(
                        Worker.class, Map.of("ENGINE", "openai", "ENGINE_BASE_URL", server.url()))) {
            Await.until("it is refused", () -> status(worker) == 503);
            assertTrue(worker.get("/ping").body().contains(NOT_TRUSTED));
            Await.until(
                    "it is in the log",
                    () -> worker.lines.stream()
                            .anyMatch(line -> line.contains("ERROR")
                                    && line.contains(server.url() + ": " + NOT_TRUSTED)
                                    && line.endsWith("ENGINE_CA_FILE can name a file of trusted certificates")));
            assertEquals(0, server.requests.size());
        }
    }

    private static int status(WorkerProcess worker) {
        try {
            return worker.get("/ping").statusCode();
        } catch (Exception e) {
            throw new IllegalStateException(e);
        }
    }

    @Concurrent
    @Test
    void aCertificateOfAnotherHostIsNotTrustedUntilItIsReplaced() throws Exception {
        var wrong = serverFor("elsewhere", FreePort.choose());
        try (var remote = new RemoteWorker(trusting(), wrong)) {
            assertRefused(remote, NOT_TRUSTED);
            assertEquals(0, wrong.requests.size());
            wrong.close();
            try (var right = serverFor("localhost", wrong.port())) {
                remote.awaitReady();
                assertEquals(200, remote.worker.post("/generate", PROMPT).statusCode());
                assertEquals(1, right.requests.size());
            }
        } finally {
            wrong.close();
        }
    }

    @Concurrent
    @Test
    void aServerWithoutTlsIsSaid() throws Exception {
        try (var server = new ServerSocket(0, 50, InetAddress.getLoopbackAddress())) {
            Thread.ofVirtual().start(() -> refuse(server));
            var url = Map.of("ENGINE_BASE_URL", "https://localhost:" + server.getLocalPort());
            try (var remote = new RemoteWorker(url)) {
                assertRefused(remote, "the engine's server does not speak TLS");
            }
        }
    }

    /// As servers answer what is no HTTP.
    private static void refuse(ServerSocket server) {
        while (!server.isClosed()) {
            try (var socket = server.accept()) {
                socket.getOutputStream().write("HTTP/1.1 400 Bad Request\r\n\r\n".getBytes(StandardCharsets.UTF_8));
            } catch (IOException _) {
                // The worker, or the test, has closed it.
            }
        }
    }
}
