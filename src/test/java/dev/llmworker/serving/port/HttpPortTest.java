package dev.llmworker.serving.port;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ch.qos.logback.classic.Level;
import ch.qos.logback.classic.Logger;
import ch.qos.logback.classic.spi.ILoggingEvent;
import ch.qos.logback.core.read.ListAppender;
import dev.llmworker.Worker;
import dev.llmworker.assembly.Listening;
import dev.llmworker.assembly.WorkerBeans;
import dev.llmworker.generation.MockGenerator;
import dev.llmworker.generation.Readiness;
import dev.llmworker.routes.CamelApplication;
import dev.llmworker.serving.camel.RoutePaths;
import dev.llmworker.settings.SettingsException;
import dev.llmworker.stats.WorkerStats;
import dev.llmworker.testing.FreePort;
import dev.llmworker.testing.RouteFolder;
import dev.llmworker.testing.RunningWorker;
import dev.llmworker.testing.ScriptedGenerator;
import dev.llmworker.testing.TestSettings;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.URI;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.camel.StartupListener;
import org.apache.camel.main.BaseMainSupport;
import org.apache.camel.main.MainListenerSupport;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.api.parallel.Isolated;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.slf4j.LoggerFactory;

/// The port by itself, before there are routes and beside them.
@Isolated("it expects exact lines of a log that others write too")
class HttpPortTest {
    private static ListenSettings on(String host, int port, int healthPort) throws SettingsException {
        return TestSettings.listening(Map.of(
                "HOST",
                host,
                "PORT",
                Integer.toString(port),
                "PORT_HEALTH",
                healthPort == port ? "" : Integer.toString(healthPort),
                "RUNPOD_POD_ID",
                "pod-7"));
    }

    private static HttpResponse<String> get(int port, String path) throws Exception {
        return RunningWorker.send(HttpRequest.newBuilder(URI.create("http://127.0.0.1:" + port + path)));
    }

    @Test
    void pingIs204AndAllElse503BeforeThereAreRoutes() throws Exception {
        try (var port = HttpPort.open(on("127.0.0.1", 0, 0))) {
            get(port.port(), "/stats");
            assertFalse(port.wasPinged());
            assertEquals(204, get(port.port(), "/ping").statusCode());
            assertTrue(port.wasPinged());
            var other = get(port.port(), "/generate");
            assertEquals(503, other.statusCode());
            assertEquals("{\"error\":\"the worker is starting\",\"code\":\"loading\"}", other.body());
            assertEquals("1", other.headers().firstValue("Retry-After").orElse(""));
            assertEquals("pod-7", other.headers().firstValue("X-Worker-Id").orElse(""));
        }
    }

    @Test
    void pingIs204UntilTheRoutesAreUpAndNever404() throws Exception {
        var settings = TestSettings.of(Map.of());
        try (var port = HttpPort.open(Listening.settings(settings))) {
            var camel = new CamelApplication(settings, WorkerBeans.of(port, new MockGenerator(), new WorkerStats()));
            var whileStarting = new AtomicInteger();
            camel.addMainListener(new MainListenerSupport() {
                @Override
                public void afterConfigure(BaseMainSupport main) {
                    // Camel calls it when its server has its router, and before it starts the routes.
                    StartupListener listener = (context, alreadyStarted) ->
                            whileStarting.set(get(port.port(), "/ping").statusCode());
                    addListener(main, listener);
                }
            });
            camel.start();
            assertEquals(204, whileStarting.get());
            assertEquals(200, get(port.port(), "/ping").statusCode());
            camel.stop();
        }
    }

    private static void addListener(BaseMainSupport main, StartupListener listener) {
        try {
            main.getCamelContext().addStartupListener(listener);
        } catch (Exception e) {
            throw new IllegalStateException(e);
        }
    }

    @Test
    void aPortInUseIsNamedWithTheCure() throws Exception {
        try (var taken = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            var port = taken.getLocalPort();
            var failure = assertThrows(PortException.class, () -> HttpPort.open(on("127.0.0.1", port, port)));
            assertEquals(
                    "port " + port + " is in use by another process; stop it or choose another: PORT=" + (port + 1)
                            + " ./worker",
                    failure.getMessage());
        }
    }

    @Test
    void aHostThatIsNotHereIsNamed() {
        var failure = assertThrows(PortException.class, () -> HttpPort.open(on("192.0.2.1", 0, 0)));
        assertEquals("HOST is \"192.0.2.1\", which is no address of this machine", failure.getMessage());
    }

    @Test
    void healthChecksHaveTheirOwnPathsToo() throws Exception {
        var health = FreePort.choose();
        var settings = Map.of(
                "HEALTH_CHECK_PATH",
                "/status/healthz",
                "API_KEYS",
                "a-key-that-is-long-enough",
                "PORT_HEALTH",
                Integer.toString(health));
        var engine = new ScriptedGenerator();
        try (var worker = new RunningWorker(engine, settings)) {
            for (var path : new String[] {"/ping", "/health", "/status/healthz"}) {
                for (var port : new int[] {worker.port.port(), health}) {
                    engine.readiness = new Readiness.Ready();
                    assertEquals(
                            "{\"status\":\"healthy\"}", get(port, path + "?x=1").body());
                    var head = send(port, path, "HEAD");
                    assertEquals(200, head.statusCode());
                    assertEquals("", head.body());
                    var post = send(port, path, "POST");
                    assertEquals(401, post.statusCode());
                    engine.readiness = new Readiness.Loading();
                    assertEquals(204, get(port, path).statusCode());
                    engine.readiness = new Readiness.Failed("the GPU is gone");
                    assertEquals(503, get(port, path).statusCode());
                }
            }
            for (var path : new String[] {"/healthz", "/health/", "/status", "/status/healthz/x", "/HEALTH"}) {
                assertEquals(401, get(worker.port.port(), path).statusCode());
                assertEquals(404, get(health, path).statusCode());
            }
            assertTrue(worker.port.wasPinged());
        }
    }

    @Test
    void anAliasOfPingIsServedBeforeThereAreRoutesAndCountsAsAHealthCheck() throws Exception {
        try (var port = HttpPort.open(TestSettings.listening(Map.of("HEALTH_CHECK_PATH", "/healthz")))) {
            assertEquals(204, get(port.port(), "/healthz").statusCode());
            assertTrue(port.wasPinged());
            assertEquals(204, get(port.port(), "/health").statusCode());
            assertEquals(405, send(port.port(), "/health", "POST").statusCode());
        }
    }

    private static HttpResponse<String> send(int port, String path, String method) throws Exception {
        return RunningWorker.send(HttpRequest.newBuilder(URI.create("http://127.0.0.1:" + port + path))
                .method(method, HttpRequest.BodyPublishers.noBody()));
    }

    @Test
    void aRouteOnAHealthPathGetsNoRequestAndTheLogSaysSo(@TempDir Path folder) throws Exception {
        RouteFolder.in(folder).route("mine", "platform-http:/health", "setBody: {constant: mine}");
        var logger = (Logger) LoggerFactory.getLogger(RoutePaths.class);
        var logged = new ListAppender<ILoggingEvent>();
        logged.start();
        logger.addAppender(logged);
        // The path is one that there is anyway.
        try (var worker = new RunningWorker(
                new MockGenerator(), Map.of("ROUTES", folder.toString(), "HEALTH_CHECK_PATH", "/ping"))) {
            assertEquals("{\"status\":\"healthy\"}", worker.get("/health").body());
            assertEquals(
                    List.of(
                            "route mine: /health is a health check, which the route of /ping answers; this route gets no"
                                    + " request"),
                    logged.list.stream().map(ILoggingEvent::getFormattedMessage).toList());
        } finally {
            logger.detachAppender(logged);
        }
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "healthz",
                "/",
                "/health/",
                "//health",
                "/a/../b",
                "/a b",
                "/a?b",
                "/a#b",
                "/a%20b",
                "/{id}",
                "http://x/health",
                "/generate",
                "/stats",
                "/ws",
                "/metrics",
                "/v1",
                "/v1/models",
            })
    void aHealthPathThatIsNoneIsRefusedAtTheStart(String path) {
        var error =
                assertThrows(SettingsException.class, () -> TestSettings.listening(Map.of("HEALTH_CHECK_PATH", path)));
        assertEquals(
                "HEALTH_CHECK_PATH is \"" + path + "\"; it must be a path of its own, such as /healthz",
                error.getMessage());
    }

    @ParameterizedTest
    @CsvSource({"127.0.0.1, 127.0.0.1", "::1, [::1]", "[::1], [::1]", "localhost, localhost"})
    void theAddressOfThePortIsAUrl(String host, String shown) throws Exception {
        try (var port = HttpPort.open(on(host, 0, 0))) {
            assertEquals("http://" + shown + ":" + port.port(), port.url());
            assertEquals(
                    204,
                    RunningWorker.send(HttpRequest.newBuilder(URI.create(port.url() + "/ping")))
                            .statusCode());
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"http://0.0.0.0", "0.0.0.0:8080", "[::1]:8080", "*", "a b", "localhost/", "a@b", "::1/64"})
    void aHostThatIsNoneIsRefusedAtTheStart(String host) {
        var error = assertThrows(SettingsException.class, () -> TestSettings.listening(Map.of("HOST", host)));
        assertEquals(
                "HOST is \"" + host + "\"; it must be an address of this machine, such as 0.0.0.0, 127.0.0.1 or ::1,"
                        + " without http:// and without a port",
                error.getMessage());
    }

    @Test
    void theLogSaysWhereTheWorkerServesAndWhat(@TempDir Path folder) throws Exception {
        RouteFolder.in(folder)
                .route("items", "platform-http:/items/{id}", "setBody: {constant: x}")
                .route("rooms", "vertx-websocket:/rooms/{room}", "to: {uri: \"log:x\"}");
        var logger = (Logger) LoggerFactory.getLogger(Worker.class);
        var logged = new ListAppender<ILoggingEvent>();
        logged.start();
        logger.addAppender(logged);
        logger.setLevel(Level.INFO);
        try (var worker = new RunningWorker(new MockGenerator(), Map.of("ROUTES", folder.toString(), "HOST", "::1"))) {
            var line = logged.list.getFirst().getFormattedMessage();
            assertTrue(line.startsWith("serving on http://[::1]:" + worker.port.port() + "  routes: / "), line);
            assertTrue(line.contains(" /items/{id} ") && line.contains(" /rooms/{room} "), line);
        } finally {
            logger.detachAppender(logged);
            logger.setLevel(null);
        }
    }

    @Test
    void theHealthPortServesPingAndNothingElse() throws Exception {
        var health = FreePort.choose();
        try (var worker = new RunningWorker(new MockGenerator(), Map.of("PORT_HEALTH", Integer.toString(health)))) {
            assertEquals(health, worker.port.healthPort());
            assertEquals("{\"status\":\"healthy\"}", get(health, "/ping").body());
            assertEquals(200, worker.get("/ping").statusCode());
            var other = get(health, "/stats");
            assertEquals(404, other.statusCode());
            assertTrue(other.body().contains("only /health, /ping are served at this port"), other.body());
        }
    }
}
