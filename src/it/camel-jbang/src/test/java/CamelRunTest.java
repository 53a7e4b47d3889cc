import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.File;
import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.net.http.WebSocket;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import org.apache.camel.dsl.jbang.core.commands.CamelJBangMain;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// `cd routes && camel run *` in a JVM of its own serves what `./worker` serves, from the same files.
class CamelRunTest {
    private static final Duration START_LIMIT = Duration.ofSeconds(180);
    private static final Duration RELOAD_LIMIT = Duration.ofSeconds(30);
    // A socket's state in /proc/net/tcp.
    private static final String LISTENING = "0A";
    private static final HttpClient HTTP = HttpClient.newHttpClient();

    @TempDir
    private Path folder;

    private Path routes;
    private Process camel;
    private int port;

    /// What the script `camel` runs: Camel JBang's own main class.
    public static final class Camel {
        public static void main(String[] args) {
            CamelJBangMain.run(args);
        }
    }

    @BeforeEach
    void copyRoutes() throws IOException {
        routes = Files.createDirectories(folder.resolve("routes"));
        try (var files = Files.newDirectoryStream(Path.of(System.getProperty("routes")), "*.{yaml,properties}")) {
            for (var file : files) {
                Files.copy(file, routes.resolve(file.getFileName()));
            }
        }
        try (var free = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            port = free.getLocalPort();
        }
    }

    @AfterEach
    void stop() throws InterruptedException {
        camel.destroy();
        if (!camel.waitFor(30, TimeUnit.SECONDS)) {
            camel.destroyForcibly();
        }
    }

    private void run(String... options) throws Exception {
        var command = new ArrayList<>(List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "--enable-native-access=ALL-UNNAMED",
                "-Duser.home=" + folder.resolve("home"),
                "-Dmaven.repo.local=" + System.getProperty("localRepository"),
                "-cp",
                System.getProperty("java.class.path"),
                Camel.class.getName(),
                "run",
                // It ends by itself if this test cannot end it.
                "--max-seconds=300"));
        command.addAll(List.of(options));
        // What the shell makes of `*`.
        try (var files = Files.list(routes)) {
            files.map(file -> file.getFileName().toString()).sorted().forEach(command::add);
        }
        var log = new File("target/camel-run-" + String.join("", options) + ".log").getAbsoluteFile();
        var builder = new ProcessBuilder(command)
                .directory(routes.toFile())
                .redirectErrorStream(true)
                .redirectOutput(log);
        builder.environment().put("PORT", Integer.toString(port));
        builder.environment().put("HOST", "127.0.0.1");
        builder.environment().put("ENGINE", "mock");
        camel = builder.start();
        await("it serves; its log is " + log, START_LIMIT, () -> get("/ping").statusCode() == 200);
    }

    private void await(String what, Duration limit, Callable<Boolean> condition) throws Exception {
        var end = System.nanoTime() + limit.toNanos();
        while (!holds(condition)) {
            assertTrue(camel.isAlive(), "camel ended before " + what);
            assertTrue(System.nanoTime() < end, () -> "not within " + limit + ": " + what);
            LockSupport.parkNanos(Duration.ofMillis(100).toNanos());
        }
    }

    private static boolean holds(Callable<Boolean> condition) throws Exception {
        try {
            return condition.call();
        } catch (IOException _) {
            return false;
        }
    }

    private HttpResponse<String> get(String path) throws Exception {
        return HTTP.send(
                HttpRequest.newBuilder(URI.create("http://127.0.0.1:" + port + path))
                        .build(),
                HttpResponse.BodyHandlers.ofString());
    }

    private HttpResponse<String> generate(String path) throws Exception {
        var body = HttpRequest.BodyPublishers.ofString("{\"prompt\":\"x\",\"max_tokens\":3}");
        return HTTP.send(
                HttpRequest.newBuilder(URI.create("http://127.0.0.1:" + port + path))
                        .POST(body)
                        .build(),
                HttpResponse.BodyHandlers.ofString());
    }

    @Test
    void itServesHttpAndWebSocketOnOnePort() throws Exception {
        run();
        assertEquals("{\"status\":\"healthy\"}", get("/ping").body());
        var missing = get("/nope");
        assertEquals(404, missing.statusCode());
        assertTrue(missing.body().startsWith("{\"error\":"), missing.body());
        var generated = generate("/generate");
        assertEquals(200, generated.statusCode(), generated.body());
        assertTrue(generated.body().startsWith("{\"generated_text\":\""), generated.body());
        assertEquals(4, webSocketAnswer().size());
        assertTrue(get("/metrics").body().contains("llmworker_generations_total 2"), get("/metrics").body());
        assertTrue(get("/").body().startsWith("<!doctype html>"), get("/").body());
        assertEquals("{\"total_requests\":2,\"active_websocket_connections\":0}", statsWhenClosed());
        assertEquals(Set.of(port), listeningPorts());
    }

    /// The TCP ports on which the process of `camel` listens, as Linux lists them.
    private Set<Integer> listeningPorts() throws IOException {
        var process = Path.of("/proc", Long.toString(camel.pid()));
        var sockets = new HashSet<String>();
        try (var files = Files.newDirectoryStream(process.resolve("fd"))) {
            for (var file : files) {
                try {
                    sockets.add(Files.readSymbolicLink(file).toString());
                } catch (NoSuchFileException _) {
                    // It was closed meanwhile.
                }
            }
        }
        var ports = new HashSet<Integer>();
        for (var table : List.of("net/tcp", "net/tcp6")) {
            for (var line : Files.readAllLines(process.resolve(table))) {
                var columns = line.strip().split(" +");
                if (columns[3].equals(LISTENING) && sockets.contains("socket:[" + columns[9] + "]")) {
                    var address = columns[1];
                    ports.add(Integer.parseInt(address.substring(address.indexOf(':') + 1), 16));
                }
            }
        }
        return ports;
    }

    private List<String> webSocketAnswer() throws Exception {
        var frames = new LinkedBlockingQueue<String>();
        var socket = HTTP.newWebSocketBuilder()
                .buildAsync(URI.create("ws://127.0.0.1:" + port + "/ws"), new WebSocket.Listener() {
                    @Override
                    public CompletionStage<?> onText(WebSocket webSocket, CharSequence data, boolean last) {
                        frames.add(data.toString());
                        webSocket.request(1);
                        return null;
                    }
                })
                .get(30, TimeUnit.SECONDS);
        socket.sendText("{\"prompt\":\"x\",\"max_tokens\":3}", true).get(30, TimeUnit.SECONDS);
        var answer = new ArrayList<String>();
        do {
            var frame = frames.poll(30, TimeUnit.SECONDS);
            assertNotNull(frame, () -> "no frame came after " + answer);
            answer.add(frame);
        } while (answer.getLast().startsWith("{\"token\":"));
        assertEquals("{\"done\":true,\"total_tokens\":3}", answer.getLast());
        socket.sendClose(WebSocket.NORMAL_CLOSURE, "").get(30, TimeUnit.SECONDS);
        return answer;
    }

    private String statsWhenClosed() throws Exception {
        await(
                "the closed connection is counted back",
                RELOAD_LIMIT,
                () -> get("/stats").body().endsWith("\"active_websocket_connections\":0}"));
        return get("/stats").body();
    }

    @Test
    void withDevAnEditedRouteIsServedWithoutARestart() throws Exception {
        run("--dev");
        assertEquals(404, generate("/complete").statusCode());
        var file = routes.resolve("generate.camel.yaml");
        Files.writeString(file, Files.readString(file).replace("platform-http:/generate", "platform-http:/complete"));
        await("the new path is served", RELOAD_LIMIT, () -> generate("/complete").statusCode() == 200);
        assertEquals(404, generate("/generate").statusCode());
    }
}
