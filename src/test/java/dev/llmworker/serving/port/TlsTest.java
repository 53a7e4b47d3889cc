package dev.llmworker.serving.port;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTimeout;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.llmworker.generation.MockGenerator;
import dev.llmworker.settings.SettingsException;
import dev.llmworker.testing.Await;
import dev.llmworker.testing.FreePort;
import dev.llmworker.testing.RawConnection;
import dev.llmworker.testing.RunningWorker;
import dev.llmworker.testing.TestCertificates;
import dev.llmworker.testing.TestSettings;
import java.io.IOException;
import java.net.InetAddress;
import java.net.SocketTimeoutException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.net.http.WebSocket;
import java.nio.charset.Charset;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.security.cert.X509Certificate;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.TimeUnit;
import javax.net.ssl.SSLSocket;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// HTTPS and WSS on the port.
class TlsTest {
    private static final String HOST = "localhost";

    @TempDir
    private static Path folder;

    @TempDir
    private Path own;

    private static TestCertificates certificates;
    private static TestCertificates.Pem pem;
    private static TestCertificates.Pem other;
    private static HttpClient client;

    @BeforeAll
    static void certify() throws Exception {
        certificates = new TestCertificates(folder);
        pem = certificates.pemFor(HOST);
        other = certificates.pemFor("other.example");
        client = HttpClient.newBuilder().sslContext(certificates.clients()).build();
    }

    private static Map<String, String> tls(Path certificate, Path key, String... more) {
        var environment = new HashMap<>(Map.of("TLS_CERT", certificate.toString(), "TLS_KEY", key.toString()));
        for (var i = 0; i < more.length; i += 2) {
            environment.put(more[i], more[i + 1]);
        }
        return environment;
    }

    private static URI uri(String scheme, RunningWorker worker, String path) {
        return URI.create(scheme + "://" + HOST + ":" + worker.port.port() + path);
    }

    /// The name in the certificate that a new connection gets.
    private static String served(RunningWorker worker) {
        try (var socket = (SSLSocket) certificates
                .clients()
                .getSocketFactory()
                .createSocket(InetAddress.getLoopbackAddress(), worker.port.port())) {
            socket.startHandshake();
            var own = (X509Certificate) socket.getSession().getPeerCertificates()[0];
            return own.getSubjectX500Principal().getName();
        } catch (Exception e) {
            throw new IllegalStateException(e);
        }
    }

    /// Half a handshake holds an open file, too.
    @Test
    void connectionsAmidTheirHandshakeCountForTheLimit() throws Exception {
        try (var worker = new RunningWorker(
                        new MockGenerator(),
                        tls(pem.certificate(), pem.key(), "MAX_CONNECTIONS", "2", "HEADER_TIMEOUT", "60m"));
                var silent = worker.raw();
                var half = worker.raw()) {
            half.send("\u0016\u0003\u0001");
            try (var third = worker.raw()) {
                assertTrue(isCut(third), "it is one too many");
            }
            silent.close();
            Await.until("there is room again", () -> {
                try {
                    return served(worker).equals("CN=" + HOST);
                } catch (IllegalStateException _) {
                    return false;
                }
            });
        }
    }

    private static boolean isCut(RawConnection connection) {
        try {
            return connection.rest().isEmpty();
        } catch (IOException e) {
            return !(e instanceof SocketTimeoutException);
        }
    }

    @Test
    void thePortServesHttpsByHttp11AndWss() throws Exception {
        try (var worker = new RunningWorker(new MockGenerator(), tls(pem.certificate(), pem.key()))) {
            assertEquals("https://127.0.0.1:" + worker.port.port(), worker.port.url());
            var request = HttpRequest.newBuilder(uri("https", worker, "/generate"))
                    .POST(HttpRequest.BodyPublishers.ofString("{\"prompt\":\"x\"}"));
            var answer = client.send(request.build(), HttpResponse.BodyHandlers.ofString());
            assertEquals(200, answer.statusCode());
            assertTrue(answer.body().startsWith("{\"generated_text\":"), answer.body());
            assertEquals(HttpClient.Version.HTTP_1_1, answer.version());

            var frame = new CompletableFuture<String>();
            var socket = client.newWebSocketBuilder()
                    .buildAsync(uri("wss", worker, "/ws"), new WebSocket.Listener() {
                        @Override
                        public CompletionStage<?> onText(WebSocket webSocket, CharSequence data, boolean last) {
                            frame.complete(data.toString());
                            return CompletableFuture.completedFuture(null);
                        }
                    })
                    .join();
            socket.sendText("{\"prompt\":\"x\"}", true).join();
            assertTrue(frame.get(150, TimeUnit.SECONDS).startsWith("{\"token\":"));
            socket.abort();
        }
    }

    @Test
    void plainHttpGetsNoAnswerThere() throws Exception {
        try (var worker = new RunningWorker(new MockGenerator(), tls(pem.certificate(), pem.key()));
                var raw = worker.raw().send("GET /ping HTTP/1.1\r\nHost: worker\r\n\r\n")) {
            assertTrue(!raw.rest().contains("HTTP/1.1"), "no answer is plain");
        }
    }

    @Test
    void theHealthPortsStayPlain() throws Exception {
        for (var name : new String[] {"PORT_HEALTH", "PORT_HEALTH_LOCAL"}) {
            var health = FreePort.choose();
            var environment = tls(pem.certificate(), pem.key(), name, Integer.toString(health));
            try (var worker = new RunningWorker(new MockGenerator(), environment)) {
                assertEquals(health, worker.port.healthPort(), name);
                var answer =
                        RunningWorker.send(HttpRequest.newBuilder(URI.create("http://127.0.0.1:" + health + "/ping")));
                assertEquals(200, answer.statusCode(), name);
                var request = HttpRequest.newBuilder(uri("https", worker, "/ping"));
                assertEquals(
                        200,
                        client.send(request.build(), HttpResponse.BodyHandlers.discarding())
                                .statusCode());
                // The other settings of the script's port are those of the images.
                var script = new ProcessBuilder("bash", "docker/healthcheck.sh");
                script.environment().keySet().removeIf(variable -> variable.startsWith("PORT"));
                script.environment().putAll(environment);
                script.environment().put("PORT", Integer.toString(worker.port.port()));
                assertEquals(0, script.start().waitFor(), name);
            }
        }
    }

    @Test
    void withoutTlsThereIsNoLocalHealthPort() throws Exception {
        var local = Map.of("PORT_HEALTH_LOCAL", Integer.toString(FreePort.choose()));
        try (var worker = new RunningWorker(new MockGenerator(), local)) {
            assertEquals(0, worker.port.healthPort());
        }
    }

    private static void replace(Path file, Path by) throws IOException {
        var next = file.resolveSibling("next");
        Files.copy(by, next, StandardCopyOption.REPLACE_EXISTING);
        Files.move(next, file, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
    }

    @Test
    void changedFilesAreTakenOnceTheyFitEachOther() throws Exception {
        var certificate = Files.copy(pem.certificate(), own.resolve("cert"));
        var key = Files.copy(pem.key(), own.resolve("key"));
        try (var worker = new RunningWorker(new MockGenerator(), tls(certificate, key))) {
            assertEquals("CN=" + HOST, served(worker));
            replace(certificate, other.certificate());
            replace(key, other.key());
            Await.until("the new certificate is served", () -> served(worker).equals("CN=other.example"));
        }
    }

    @Test
    void filesThatDoNotFitOrCannotBeReadLeaveTheLastOnes() throws Exception {
        var certificate = Files.copy(pem.certificate(), own.resolve("cert"));
        var key = Files.copy(pem.key(), own.resolve("key"));
        var files = new TlsFiles(certificate, key);
        try (var worker = new RunningWorker(new MockGenerator(), Map.of())) {
            var vertx = worker.port.vertx();
            files.first(vertx);
            replace(certificate, other.certificate());
            for (var i = 0; i < 3; i++) {
                assertFalse(files.refresh(vertx), "the key is another one's");
            }
            Files.delete(key);
            assertFalse(files.refresh(vertx));
            Files.writeString(key, "no key");
            for (var i = 0; i < 3; i++) {
                assertFalse(files.refresh(vertx));
            }
            replace(key, other.key());
            assertFalse(files.refresh(vertx), "a change counts when it is found twice");
            assertTrue(files.refresh(vertx));
            assertFalse(files.refresh(vertx));
        }
    }

    private static String refused(Path certificate, Path key) {
        var error =
                assertThrows(PortException.class, () -> HttpPort.open(TestSettings.listening(tls(certificate, key))));
        return String.valueOf(error.getMessage());
    }

    @Test
    void filesFromWindowsServe() throws Exception {
        for (var encoding : List.of(StandardCharsets.UTF_8, StandardCharsets.UTF_16LE)) {
            var certificate = fromWindows(pem.certificate(), "certificate", encoding);
            var key = fromWindows(pem.key(), "key", encoding);
            try (var worker = new RunningWorker(new MockGenerator(), tls(certificate, key))) {
                assertEquals("CN=" + HOST, served(worker));
            }
        }
    }

    private Path fromWindows(Path file, String name, Charset encoding) throws IOException {
        var text = "\uFEFF" + Files.readString(file).replaceAll("\\R", "\r\n");
        return Files.writeString(own.resolve(name), text, encoding);
    }

    @Test
    void filesThatCannotServeEndTheStart() throws Exception {
        var missing = own.resolve("missing");
        var text = Files.writeString(own.resolve("text"), "no certificate");
        assertTrue(refused(missing, pem.key()).startsWith("TLS_CERT: " + missing + " cannot be read: "));
        assertTrue(refused(pem.certificate(), missing).startsWith("TLS_KEY: " + missing + " cannot be read: "));
        assertEquals("TLS_CERT: " + text + " has no certificate in PEM", refused(text, pem.key()));
        assertEquals(
                "TLS_KEY: " + text + " has no private key in PEM, of RSA, EC or Ed25519 and not encrypted",
                refused(pem.certificate(), text));
        assertEquals(
                "TLS_KEY: " + other.key() + " does not belong to the first certificate of " + pem.certificate(),
                refused(pem.certificate(), other.key()));
    }

    @Test
    void oneSettingWithoutTheOtherIsRefused() {
        for (var name : new String[] {"TLS_CERT", "TLS_KEY"}) {
            var error = assertThrows(SettingsException.class, () -> TestSettings.listening(Map.of(name, "file.pem")));
            assertTrue(String.valueOf(error.getMessage()).startsWith("TLS needs both TLS_CERT and TLS_KEY; "));
        }
    }

    @Test
    void aHandshakeThatDoesNotEndIsCut() throws Exception {
        try (var worker = new RunningWorker(
                        new MockGenerator(), tls(pem.certificate(), pem.key(), "HEADER_TIMEOUT", "1"));
                var silent = worker.raw();
                // The beginning of a record.
                var slow = worker.raw().send(new byte[] {22, 3, 1})) {
            // Vert.x alone would wait for ten seconds.
            assertTimeout(Duration.ofSeconds(8), () -> {
                assertEquals("", silent.rest());
                assertEquals("", slow.rest());
            });
        }
    }

    /// Vert.x says that there is a connection only after its handshake.
    @Test
    void connectionsInTheirHandshakeCount() throws Exception {
        var environment = tls(pem.certificate(), pem.key(), "MAX_CONNECTIONS", "2");
        try (var worker = new RunningWorker(new MockGenerator(), environment);
                var first = worker.raw();
                var second = worker.raw()) {
            Await.until("both count", () -> worker.port.connections() == 2);
            try (var third = worker.raw()) {
                assertThrows(IOException.class, third::readByte);
            }
            first.close();
            second.close();
            Await.until("they have left", () -> worker.port.connections() == 0);
            var request = HttpRequest.newBuilder(uri("https", worker, "/ping"));
            assertEquals(
                    200,
                    client.send(request.build(), HttpResponse.BodyHandlers.discarding())
                            .statusCode());
        }
    }
}
