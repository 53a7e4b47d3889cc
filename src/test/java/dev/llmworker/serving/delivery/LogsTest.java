package dev.llmworker.serving.delivery;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.ObjectMapper;
import dev.llmworker.Worker;
import dev.llmworker.settings.Logging;
import dev.llmworker.settings.SettingsException;
import dev.llmworker.testing.Await;
import dev.llmworker.testing.ChildJvm;
import dev.llmworker.testing.RouteFolder;
import dev.llmworker.testing.RunningWorker;
import dev.llmworker.testing.StartsProcesses;
import dev.llmworker.testing.WorkerProcess;
import java.io.BufferedReader;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpRequest;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// What a worker writes to its log, in a JVM of its own.
@StartsProcesses
class LogsTest {
    private static final Pattern SERVES = Pattern.compile("serving on http://127.0.0.1:(\\d+)");
    private static final String KEY = "a-key-that-nobody-may-see";

    private static Process start(Map<String, String> environment) throws IOException {
        var variables = new HashMap<>(Map.of("ENGINE", "mock", "HOST", "127.0.0.1", "PORT", "0", "API_KEYS", KEY));
        variables.putAll(environment);
        return ChildJvm.of(Worker.class, variables).start();
    }

    private static String lineWith(String text, BufferedReader reader, List<String> seen) throws IOException {
        for (var line = reader.readLine(); line != null; line = reader.readLine()) {
            seen.add(line);
            if (line.contains(text)) {
                return line;
            }
        }
        throw new AssertionError(text + " is not in " + seen);
    }

    private static void post(Matcher port, String id, String body) throws Exception {
        RunningWorker.send(
                HttpRequest.newBuilder(URI.create("http://127.0.0.1:" + port.group(1) + "/generate?x=hidden"))
                        .header("X-Request-Id", id)
                        .header("X-API-Key", KEY)
                        .POST(HttpRequest.BodyPublishers.ofString(body)));
    }

    @Test
    void aRequestIsOneLineWithItsIdAndNothingOfItsText() throws Exception {
        for (var format : new String[] {"plain", "json"}) {
            var process = start(Map.of("LOG_FORMAT", format));
            var seen = new ArrayList<String>();
            try (var reader = process.inputReader()) {
                var port = SERVES.matcher(lineWith("serving on", reader, seen));
                assertTrue(port.find());
                post(port, "my-id", "{\"prompt\":\"hidden words\",\"max_tokens\":3}");
                var finished = lineWith("finished", reader, seen);
                post(port, "not sane; at all", "{\"prompt\":7}");
                var refused = lineWith("refused", reader, seen);
                if (format.equals("plain")) {
                    assertTrue(
                            finished.matches(
                                    ".* INFO  Requests: finished id=my-id route=generate key=[0-9a-f]{8}"
                                            + " reason=length prompt=2 completion=3 cached=0 wasted=0 ttft=\\d+ms total=\\d+ms"),
                            finished);
                    assertTrue(
                            refused.matches(
                                    ".*: refused id=[0-9a-f]{16} route=generate status=400 code=invalid_request"),
                            refused);
                } else {
                    var line = new ObjectMapper().readTree(finished);
                    assertEquals("INFO", line.path("level").asText());
                    assertEquals("my-id", line.path("id").asText());
                    assertEquals("generate", line.path("route").asText());
                    assertEquals("length", line.path("reason").asText());
                    assertEquals(3, line.path("completion").asInt());
                    assertTrue(line.path("total_ms").isNumber() && line.has("time"), finished);
                    assertEquals(
                            400,
                            new ObjectMapper().readTree(refused).path("status").asInt());
                }
                // Process.destroy would close what is read here.
                process.toHandle().destroy();
                reader.lines().forEach(seen::add);
            } finally {
                process.destroyForcibly();
            }
            var all = String.join("\n", seen);
            assertFalse(all.contains("hidden") || all.contains(KEY) || all.contains("not sane"), all);
            assertEquals(
                    1, seen.stream().filter(line -> line.contains("finished")).count());
        }
    }

    @Test
    void aPromptThatIsRefusedOnAWebSocketIsOneLineWithTheIdOfTheHandshake() throws Exception {
        try (var worker = WorkerProcess.start(Worker.class, Map.of());
                var socket = worker.raw()
                        .send("GET /ws HTTP/1.1\r\nHost: worker\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                                + "X-Request-Id: my-ws\r\nSec-WebSocket-Version: 13\r\n"
                                + "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")) {
            socket.head();
            var refused = List.of(
                    "{\"prompt\":7}",
                    "{\"prompt\":\"hidden\",\"id\":1,\"top_p\":2}",
                    "{\"prompt\":\"hidden\",\"max_tokens\":2000000}");
            for (var prompt : refused) {
                assertTrue(socket.text(prompt).frame().text().contains("\"error\":"), prompt);
            }
            // After it: all before it is written.
            assertTrue(socket.text("{\"prompt\":\"x\",\"max_tokens\":1}")
                    .frame()
                    .text()
                    .contains("\"token\":"));
            Await.until("it has ended", () -> worker.lines.stream().anyMatch(line -> line.contains("finished")));
            var lines = worker.lines.stream()
                    .filter(line -> line.contains("refused"))
                    .map(line -> line.replaceFirst(".*: refused ", ""))
                    .toList();
            var invalid = "id=my-ws route=ws status=400 code=invalid_request";
            assertEquals(List.of(invalid, invalid, "id=my-ws route=ws status=400 code=max_tokens_too_large"), lines);
        }
    }

    private static List<String> logOf(Path folder, String level) throws Exception {
        RouteFolder.in(folder)
                .route(
                        "said",
                        "platform-http:/said",
                        "log: 'a step'",
                        "log: {message: 'a quiet step', loggingLevel: DEBUG}",
                        "log: {message: 'a named step', logName: com.acme.Named}",
                        "to: 'log:com.acme?showBody=true'",
                        "to: 'log:com.acme.Loud?level=WARN'",
                        "setBody: {constant: done}");
        try (var worker = WorkerProcess.start(Worker.class, Map.of("ROUTES", folder.toString(), "LOG_LEVEL", level))) {
            assertEquals("done", worker.get("/said").body());
            worker.terminate();
            worker.exit();
            return worker.lines.stream()
                    .map(line -> line.replaceFirst("^\\S+ ", "").replaceFirst("\\[.*", "[…]"))
                    .filter(line -> line.matches(
                            "(INFO|DEBUG|WARN) ++(?!Worker|Requests|Drain|HttpPort|YamlDeserializerBase).*"))
                    .toList();
        }
    }

    @Test
    void whatARouteLogsIsShownAndWhatItsLibrariesSayIsNot(@TempDir Path folder) throws Exception {
        var debug = List.of(
                "INFO  said: a step",
                "DEBUG said: a quiet step",
                "INFO  Named: a named step",
                "INFO  acme: Exchange[…]",
                "WARN  Loud: Exchange[…]");
        assertTrue(logOf(folder, "debug").containsAll(debug), () -> debug.toString());
        var info = logOf(folder, "info");
        assertEquals(debug.stream().filter(line -> !line.startsWith("DEBUG")).toList(), info);
    }

    @Test
    void aWrongFormatOrLevelIsTold() {
        var format = assertThrows(SettingsException.class, () -> Logging.configure(Map.of("LOG_FORMAT", "xml")));
        assertEquals("LOG_FORMAT is \"xml\"; it must be one of plain, json", format.getMessage());
        var level = assertThrows(SettingsException.class, () -> Logging.configure(Map.of("LOG_LEVEL", "loud")));
        assertTrue(
                String.valueOf(level.getMessage()).startsWith("LOG_LEVEL is \"loud\"; it must be one of trace, debug"));
    }
}
