package dev.llmworker.serving.port;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.ObjectMapper;
import dev.llmworker.testing.Await;
import dev.llmworker.testing.RawConnection;
import dev.llmworker.testing.RunningWorker;
import dev.llmworker.testing.Seeded;
import dev.llmworker.testing.Seeds;
import dev.llmworker.testing.WorkerExtension;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.net.SocketTimeoutException;
import java.net.http.HttpRequest.BodyPublishers;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.regex.Pattern;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/// Random JSON, frames and HTTP: everything is answered or the connection closed, nothing by a failure, and nothing
/// stays behind.
class RequestFuzzTest {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final Pattern STATUS = Pattern.compile("HTTP/1\\.[01] (\\d{3}) ");
    // What an error must not tell.
    private static final Pattern INSIDES =
            Pattern.compile("Exception|java\\.|io\\.netty|io\\.vertx|jackson|dev\\.llmworker|\\.java:");
    private static final Set<Integer> CLOSE_CODES = Set.of(0, 1000, 1002, 1003, 1007, 1008, 1009);
    private static final List<String> PATHS = List.of("/generate", "/v1/chat/completions", "/v1/completions");

    private final long seed = Seeds.seed();
    private final Random random = new Random(seed);
    private final RandomRequests requests = new RandomRequests(random);

    @RegisterExtension
    final WorkerExtension worker = WorkerExtension.mock();

    @AfterEach
    void nothingStaysBehind() throws Exception {
        Await.until("all sockets are closed", () -> worker.stats.webSockets() == 0);
        Await.until("all generations are over", () -> worker.stats.runningGenerations() == 0);
        assertEquals(200, worker.get("/ping").statusCode());
    }

    private void assertSound(int status, String body, String of) {
        assertTrue(status < 500, of + " was answered by " + status + " " + body);
        assertFalse(INSIDES.matcher(body).find(), of + " was answered by " + body);
    }

    @Seeded
    @Test
    void randomJsonIsAnsweredOrRefused() throws Exception {
        var answered = 0;
        for (var round = 0; round < Seeds.rounds(3000); round++) {
            var body = requests.json();
            var path = PATHS.get(random.nextInt(PATHS.size()));
            var answer = RunningWorker.send(worker.request(path).POST(BodyPublishers.ofByteArray(body)));
            var of = "seed " + seed + " round " + round + ", " + path + " " + new String(body, StandardCharsets.UTF_8);
            assertSound(answer.statusCode(), answer.body(), of);
            if (answer.statusCode() == 200) {
                answered++;
            } else {
                assertTrue(JSON.readTree(answer.body()).has("error"), of + " was answered by " + answer.body());
            }
        }
        assertTrue(answered > 100, answered + " were answered");
    }

    @Seeded
    @Test
    void randomFramesAreAnsweredOrTheConnectionClosed() throws Exception {
        for (var round = 0; round < Seeds.rounds(500); round++) {
            var of = "seed " + seed + " round " + round;
            try (var client = worker.raw().upgrade("/ws")) {
                var frames = 1 + random.nextInt(6);
                for (var i = 0; i < frames; i++) {
                    // Mostly what may stand there, so that more than the first frame is read.
                    var first = random.nextInt(4) > 0 ? 0x81 : random.nextInt(256);
                    var json = requests.json();
                    unlessClosed(() -> client.frame(first, json));
                }
                var noise = new byte[random.nextBoolean() ? 0 : random.nextInt(40)];
                random.nextBytes(noise);
                unlessClosed(() -> client.send(noise));
                unlessClosed(() ->
                        client.frame(0x88, new byte[] {3, (byte) 0xe8}).halfClose());
                readFrames(client, of);
            }
        }
    }

    private interface Sending {
        void run() throws IOException;
    }

    /// The worker may close while the client still sends.
    private static void unlessClosed(Sending sending) {
        try {
            sending.run();
        } catch (IOException _) {
            // What it answered before counts.
        }
    }

    /// What comes until the connection ends, by FIN or by a reset. A connection that does not end is a failure.
    private static String rest(RawConnection client) throws IOException {
        var rest = new StringBuilder();
        try {
            for (; ; ) {
                rest.append((char) client.readByte());
            }
        } catch (SocketTimeoutException e) {
            throw e;
        } catch (IOException _) {
            return rest.toString();
        }
    }

    /// To the end of the connection: JSON, pongs and one close frame.
    private void readFrames(RawConnection client, String of) throws Exception {
        var bytes = new ByteArrayInputStream(rest(client).getBytes(StandardCharsets.ISO_8859_1));
        while (bytes.available() > 0) {
            var first = bytes.read();
            var length = bytes.read();
            if (length == 126) {
                length = bytes.read() << 8 | bytes.read();
            }
            var payload = bytes.readNBytes(length);
            if (payload.length < length) {
                return;
            }
            switch (first) {
                case 0x81 -> {
                    var text = new String(payload, StandardCharsets.UTF_8);
                    assertSound(0, text, of);
                    assertTrue(JSON.readTree(text).isObject(), of + ": " + text);
                }
                case 0x88 ->
                    assertTrue(
                            CLOSE_CODES.contains(new RawConnection.Frame(first, payload).closeCode()),
                            () -> of + " was closed with " + new RawConnection.Frame(first, payload).closeCode());
                case 0x8a, 0x89 -> {}
                default -> throw new AssertionError(of + ": the worker sent a frame of " + first);
            }
        }
    }

    @Seeded
    @Test
    void randomHttpIsAnsweredOrTheConnectionClosed() throws Exception {
        var answers = 0;
        for (var round = 0; round < Seeds.rounds(1000); round++) {
            var of = "seed " + seed + " round " + round;
            try (var client = worker.raw()) {
                for (var more = 1 + random.nextInt(3); more > 0; more--) {
                    var request = requests.http();
                    unlessClosed(() -> client.send(request));
                }
                unlessClosed(client::halfClose);
                var rest = rest(client);
                assertSound(0, rest, of);
                var statuses = STATUS.matcher(rest);
                while (statuses.find()) {
                    answers++;
                    assertSound(Integer.parseInt(statuses.group(1)), rest, of);
                }
            }
        }
        assertTrue(answers > 300, answers + " answers");
    }
}
