package dev.llmworker.serving.port;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.llmworker.generation.FinishReason;
import dev.llmworker.generation.MockGenerator;
import dev.llmworker.testing.RawConnection;
import dev.llmworker.testing.RemoteWorker;
import dev.llmworker.testing.RouteFolder;
import dev.llmworker.testing.RunningWorker;
import dev.llmworker.testing.ScriptedGenerator;
import dev.llmworker.testing.ScriptedServer;
import dev.llmworker.testing.TestWorker;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.SequenceInputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Locale;
import java.util.stream.Stream;
import org.apache.camel.Processor;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/// Answers whose length is not known beforehand, to clients of HTTP/1.0, which has no chunks. Such a client is nginx,
/// if it is not told otherwise.
class AnswersWithoutLengthTest {
    private static final String KEEP = "Connection: keep-alive\r\n";
    private static final String PROMPT = "{\"prompt\":\"进入\",\"max_tokens\":3,\"stream\":true}";
    private static final String CHAT =
            "{\"messages\":[{\"role\":\"user\",\"content\":\"x\"}],\"max_tokens\":3,\"stream\":true}";

    @TempDir
    Path folder;

    static Stream<String> keepAlives() {
        return Stream.of("", KEEP, "Connection: Keep-Alive\r\n", "Connection: foo\r\nConnection:\tkeep-alive\r\n");
    }

    private static RawConnection post(TestWorker worker, String path, String headers, String body) throws Exception {
        var bytes = body.getBytes(StandardCharsets.UTF_8);
        return worker.raw()
                .send("POST " + path + " HTTP/1.0\r\n" + headers + "Content-Length: " + bytes.length + "\r\n\r\n")
                .send(bytes);
    }

    /// The head says that the answer ends with the connection.
    private static void assertEndsByClose(String head) {
        var lower = head.toLowerCase(Locale.ROOT);
        assertTrue(lower.startsWith("http/1.0 200 "), head);
        assertTrue(lower.contains("\r\nconnection: close\r\n"), head);
        assertFalse(lower.contains("keep-alive"), head);
        assertFalse(lower.contains("transfer-encoding"), head);
        assertFalse(lower.contains("content-length"), head);
    }

    private static String events(RawConnection client) throws IOException {
        var head = client.head();
        assertEndsByClose(head);
        assertTrue(head.contains("text/event-stream; charset=utf-8"), head);
        // It comes only if the worker closes.
        return client.rest();
    }

    @ParameterizedTest
    @MethodSource("keepAlives")
    void streamsEndWithTheConnection(String headers) throws Exception {
        RouteFolder.in(folder)
                .route(
                        "mine",
                        "platform-http:/mine",
                        "unmarshal: {custom: {ref: strictJson}}",
                        "process: {ref: stream}");
        try (var worker = RunningWorker.with(new MockGenerator(), folder)) {
            for (var path : new String[] {"/generate", "/mine"}) {
                var events = events(post(worker, path, headers, PROMPT));
                assertTrue(events.endsWith("data: {\"done\":true,\"total_tokens\":3}\n\n"), events);
                assertTrue(events.startsWith("data: {\"token\":\""), events);
            }
            for (var path : new String[] {"/v1/completions", "/v1/chat/completions"}) {
                var events = events(post(worker, path, headers, path.endsWith("chat/completions") ? CHAT : PROMPT));
                assertTrue(events.endsWith("data: [DONE]\n\n"), events);
            }
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"", KEEP})
    void relayedStreamsEndWithTheConnection(String headers) throws Exception {
        try (var server = new ScriptedServer();
                var remote = RemoteWorker.before(server)) {
            server.answers((_, wire) -> wire.stream().delta("a").end("stop", 1, 1));
            var events = events(post(remote.worker, "/v1/chat/completions", headers, CHAT));
            assertTrue(events.contains("\"content\":\"a\"") && events.endsWith("data: [DONE]\n\n"), events);
        }
    }

    @Test
    void eventsComeOneByOneAndWhatIsSentAheadIsNotAnswered() throws Exception {
        var engine = new ScriptedGenerator();
        try (var worker = RunningWorker.with(engine);
                var client = post(worker, "/generate", KEEP, PROMPT)) {
            client.send("GET /ping HTTP/1.0\r\n\r\n");
            var script = engine.next();
            assertEndsByClose(client.head());
            script.emit("a");
            client.skip("data: {\"token\":\"a\",\"index\":0}\n\n".length());
            script.finish(FinishReason.STOP);
            assertEquals("data: {\"done\":true,\"total_tokens\":1}\n\n", client.rest());
        }
    }

    private RunningWorker serving(Processor route) throws Exception {
        RouteFolder.in(folder);
        var worker = RunningWorker.with(new MockGenerator(), folder);
        worker.bind("route", route);
        new RouteFolder(folder).route("mine", "platform-http:/mine", "process: {ref: route}");
        worker.routeFiles().reload();
        return worker;
    }

    @ParameterizedTest
    @MethodSource("keepAlives")
    void aRoutesStreamEndsWithTheConnection(String headers) throws Exception {
        try (var worker = serving(exchange -> exchange.getMessage()
                        .setBody(new ByteArrayInputStream("all of it".getBytes(StandardCharsets.UTF_8))));
                var client = worker.raw().send("GET /mine HTTP/1.0\r\n" + headers + "\r\n")) {
            assertEndsByClose(client.head());
            assertEquals("all of it", client.rest());
        }
    }

    @Test
    void aRoutesStreamThatFailsHalfwayDoesNotLookWhole() throws Exception {
        var failing = new InputStream() {
            @Override
            public int read() throws IOException {
                throw new IOException("the disk is gone");
            }
        };
        try (var worker = serving(exchange -> exchange.getMessage()
                        .setBody(new SequenceInputStream(new ByteArrayInputStream(new byte[1 << 20]), failing)));
                var client = worker.raw().send("GET /mine HTTP/1.0\r\n\r\n")) {
            assertThrows(IOException.class, client::rest);
        }
    }

    @Test
    void answersWithALengthKeepTheConnection() throws Exception {
        try (var worker = RunningWorker.with(new MockGenerator());
                var client = post(worker, "/generate", KEEP, PROMPT.replace(",\"stream\":true", ""))) {
            var head = client.head().toLowerCase(Locale.ROOT);
            assertTrue(head.contains("connection: keep-alive"), head);
            var rest = client.send("GET /ping HTTP/1.0\r\n\r\n").rest();
            assertTrue(rest.endsWith("{\"status\":\"healthy\"}"), rest);
        }
    }
}
