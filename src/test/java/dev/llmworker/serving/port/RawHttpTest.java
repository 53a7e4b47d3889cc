package dev.llmworker.serving.port;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.llmworker.testing.WorkerExtension;
import java.util.List;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// HTTP/1.1 byte by byte, from a client that does what no library would: nothing is answered twice, nothing hangs, and
/// where a request ends is never in doubt. In the cases, `|` stands for CR LF.
class RawHttpTest {
    private static final String BODY = "{\"prompt\":\"x\",\"max_tokens\":1}";
    private static final String CHUNKS = Integer.toHexString(BODY.length()) + "|" + BODY + "|0||";
    private static final String PROBE = "GET /stats HTTP/1.1|Host: worker|Connection: close||";

    @RegisterExtension
    static final WorkerExtension worker = WorkerExtension.mock();

    private static String post(String headers) {
        return "POST /generate HTTP/1.1|Host: worker|" + headers + "|";
    }

    /// All that comes back until the worker closes the connection.
    private static String answers(String requests) throws Exception {
        try (var client = worker.raw().send(requests.replace("|", "\r\n"))) {
            return client.rest();
        }
    }

    private static List<Integer> statuses(String answers) {
        return Pattern.compile("HTTP/1\\.[01] (\\d{3}) ")
                .matcher(answers)
                .results()
                .map(status -> Integer.valueOf(status.group(1)))
                .toList();
    }

    /// One answer of `status`, as JSON; and the connection closed without a look at what follows.
    private static void assertRefused(int status, String request) throws Exception {
        var answers = answers(request + PROBE);
        assertEquals(List.of(status), statuses(answers), request + "\n" + answers);
        assertTrue(answers.contains("{\"error\":\""), answers);
        assertFalse(answers.contains("total_requests"), answers);
    }

    /// One answer of `status`, and then that of the request after it.
    private static void assertAnswered(int status, String request) throws Exception {
        var answers = answers(request + PROBE);
        assertEquals(List.of(status, 200), statuses(answers), request + "\n" + answers);
        assertTrue(answers.contains("total_requests"), answers);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "Content-Length: 29|Content-Length: 29",
                "Content-Length: 29|Content-Length: 3",
                "Content-Length: 29, 29",
                "Content-Length: +29",
                "Content-Length: -1",
                "Content-Length: 0x1d",
                "Content-Length: 2 9",
                "Content-Length: 99999999999999999999",
                "Content-Length : 29",
                "Content-Length: 29|Transfer-Encoding: chunked",
                "Transfer-Encoding: chunked|Content-Length: 29",
                "Transfer-Encoding: identity",
                "Transfer-Encoding: gzip, chunked",
                "Transfer-Encoding: chunked, gzip",
                "Transfer-Encoding: chunked|Transfer-Encoding: identity",
                "Transfer-Encoding: chunked|Transfer-Encoding: chunked",
                "Transfer-Encoding: xchunked",
                "Transfer-Encoding : chunked",
                "Transfer-Encoding: \u000bchunked",
            })
    void aBodyWhoseEndIsInDoubtIsRefusedAndTheConnectionClosed(String headers) throws Exception {
        assertRefused(400, post(headers + "|") + BODY);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "GET /ping HTTP/9.9|Host: worker||",
                "GET /ping HTTP/1.2|Host: worker||",
                "GET /ping http/1.1|Host: worker||",
                "GET /ping|Host: worker||",
                "PRI * HTTP/2.0||SM||",
                "GET /ping HTTP/1.1\nHost: worker\n\n",
                "\0\1GET /ping HTTP/1.1|Host: worker||",
                "G\1T /ping HTTP/1.1|Host: worker||",
                "GET /pi ng HTTP/1.1|Host: worker||",
                "GET  HTTP/1.1|Host: worker||",
                "GET /ping HTTP/1.1| X: leading blank|Host: worker||",
                "GET /ping HTTP/1.1|Host: worker|X: a\rb||",
                "GET /ping HTTP/1.1|Host: worker|X: a\0b||",
                "GET /ping HTTP/1.1|Host: worker|X: a\1b||",
                "GET /ping HTTP/1.1|Host: worker|X\0: a||",
                "GET /ping HTTP/1.1|Host: worker|no colon||",
                "GET /ping HTTP/1.1|Host: worker|X : a||",
                "GET /ping HTTP/1.1|Host: worker|X(y): a||",
                "POST /generate HTTP/1.0|Transfer-Encoding: chunked||0||",
            })
    void whatIsNotHttpIsRefusedAndTheConnectionClosed(String request) throws Exception {
        assertRefused(400, request);
    }

    @Test
    void headsOverTheLimitAreRefused() throws Exception {
        assertRefused(431, "GET /ping HTTP/1.1|Host: worker|X: " + "x".repeat(17_000) + "||");
        assertRefused(431, "GET /ping HTTP/1.1|Host: worker|" + "X: x|".repeat(5_000) + "|");
        assertRefused(414, "GET /" + "x".repeat(17_000) + " HTTP/1.1|Host: worker||");
        assertAnswered(200, "GET /ping HTTP/1.1|Host: worker|" + "X: x|".repeat(1_000) + "|");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "GET /ping HTTP/1.1||",
                "GET /ping HTTP/1.1|Host: a|Host: b||",
                "GET /ping HTTP/1.1|Host: a b||",
                "GET /ping HTTP/1.1|Host: worker|: no name||",
                "GET /%zz HTTP/1.1|Host: worker||",
                "GET /% HTTP/1.1|Host: worker||",
                "GET /ping?%zz HTTP/1.1|Host: worker||",
            })
    void aHeadThatIsWrongInItselfIsRefused(String request) throws Exception {
        assertAnswered(400, request);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "zz|",
                "-1|",
                "0x1d|",
                "|",
                "ffffffffffffffff1d|",
                " 1d |",
                "1d\n",
                "5|",
                "1d;a\n",
            })
    void chunksThatAreNoneCloseTheConnectionUnanswered(String size) throws Exception {
        assertEquals("", answers(post("Transfer-Encoding: chunked|") + size + BODY + "|0||" + PROBE));
    }

    @Test
    void chunksAndTheirExtensionsAndTrailersAreTaken() throws Exception {
        assertAnswered(200, post("Transfer-Encoding: ChUnKeD|") + CHUNKS);
        assertAnswered(200, post("Transfer-Encoding:\tchunked|") + CHUNKS);
        assertAnswered(200, post("Transfer-Encoding: chunked|") + CHUNKS.replaceFirst("\\|", ";a=b;c=\"d\"|"));
        var trailers = CHUNKS.replace("|0||", "|0|X-T: 1|CamelHttpResponseCode: 418||");
        assertAnswered(200, post("Transfer-Encoding: chunked|") + trailers);
        var endless = CHUNKS.replaceFirst("\\|", ";a=" + "b".repeat(20_000) + "|");
        assertEquals("", answers(post("Transfer-Encoding: chunked|") + endless));
        var long_ = CHUNKS.replace("|0||", "|0|X-T: " + "1".repeat(20_000) + "||");
        assertEquals("", answers(post("Transfer-Encoding: chunked|") + long_));
    }

    @Test
    void aRequestMayComeByteByByte() throws Exception {
        try (var client = worker.raw()) {
            for (var c : (post("Transfer-Encoding: chunked|") + CHUNKS + PROBE)
                    .replace("|", "\r\n")
                    .toCharArray()) {
                client.send(String.valueOf(c));
            }
            assertEquals(List.of(200, 200), statuses(client.rest()));
        }
    }

    @Test
    void pipelinedRequestsAreAnsweredInTheirOrder() throws Exception {
        var requests = new StringBuilder();
        for (var i = 0; i < 50; i++) {
            requests.append(post("Content-Length: 29|")).append(BODY);
            requests.append("GET /nope/").append(i).append(" HTTP/1.1|Host: worker||");
        }
        var answers = answers(requests + PROBE);
        assertEquals(101, statuses(answers).size());
        var at = 0;
        for (var i = 0; i < 50; i++) {
            at = answers.indexOf("nothing is served at /nope/" + i + "\"", at);
            assertTrue(at > 0, "answer " + i + " is not in its place");
        }
    }

    @Test
    void aBodyThatIsCutEndsTheConnectionAndNothingElse() throws Exception {
        for (var request : new String[] {
            post("Content-Length: 100|") + BODY,
            post("Transfer-Encoding: chunked|") + "1d|" + BODY,
            "POST /generate HTTP/1.1|Host: wor",
        }) {
            try (var client = worker.raw().send(request.replace("|", "\r\n"))) {
                client.halfClose();
                assertEquals("", client.rest());
            }
        }
        assertEquals(200, worker.get("/ping").statusCode());
    }
}
