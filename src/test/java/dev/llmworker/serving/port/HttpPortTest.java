package dev.llmworker.serving.port;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.llmworker.assembly.Listening;
import dev.llmworker.assembly.WorkerBeans;
import dev.llmworker.generation.MockGenerator;
import dev.llmworker.routes.CamelApplication;
import dev.llmworker.settings.SettingsException;
import dev.llmworker.stats.WorkerStats;
import dev.llmworker.testing.RunningWorker;
import dev.llmworker.testing.TestSettings;
import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.URI;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.util.Map;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.camel.StartupListener;
import org.apache.camel.main.BaseMainSupport;
import org.apache.camel.main.MainListenerSupport;
import org.junit.jupiter.api.Test;

/// The port by itself, before there are routes and beside them.
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

    private static int freePort() throws IOException {
        try (var socket = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            return socket.getLocalPort();
        }
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
    void theHealthPortServesPingAndNothingElse() throws Exception {
        var health = freePort();
        try (var worker = new RunningWorker(new MockGenerator(), Map.of("PORT_HEALTH", Integer.toString(health)))) {
            assertEquals(health, worker.port.healthPort());
            assertEquals("{\"status\":\"healthy\"}", get(health, "/ping").body());
            assertEquals(200, worker.get("/ping").statusCode());
            var other = get(health, "/stats");
            assertEquals(404, other.statusCode());
            assertTrue(other.body().contains("only /ping is served at this port"), other.body());
        }
    }
}
