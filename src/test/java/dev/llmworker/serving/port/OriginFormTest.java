package dev.llmworker.serving.port;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.llmworker.serving.access.ApiKeys;
import dev.llmworker.serving.access.Origins;
import dev.llmworker.serving.connection.Timeouts;
import java.net.InetAddress;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Set;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// What stands behind the port sees the path and the query of a target, and no host but the one of the header.
class OriginFormTest {
    private static final ListenSettings SETTINGS = new ListenSettings(
            "127.0.0.1",
            0,
            0,
            Set.of(),
            1 << 20,
            Timeouts.DEFAULT,
            10,
            new Capacity(1 << 20, 10, 0, 0, Duration.ZERO),
            ApiKeys.NONE,
            ApiKeys.NONE,
            Origins.UNLISTED,
            Set.of(),
            Set.of(),
            Duration.ofMinutes(5),
            null,
            null,
            null);

    @ParameterizedTest
    @CsvSource({
        "/a?b=c, /a, /a?b=c",
        "http://127.0.0.1:9/a?b=c, /a, /a?b=c",
        "HTTP://evil.example/a, /a, /a",
        "http://evil.example//other.example/a, //other.example/a, /other.example/a",
        "//evil.example/a, //evil.example/a, /evil.example/a",
        "http://evil.example, /, /",
        "http://evil.example?b=c, /, /?b=c",
        "http://evil.example?b=/a, /, /?b=/a",
        "http://evil.example?b=http://other.example/a?c, /, /?b=http://other.example/a?c",
        "http://evil.example#/a, /, /"
    })
    void anAbsoluteTargetIsItsPath(String target, String path, String seen) throws Exception {
        try (var port = HttpPort.open(SETTINGS)) {
            port.serve(request ->
                    request.response().end(request.uri() + " " + request.absoluteURI() + " " + request.path()));
            try (var socket = new Socket(InetAddress.getLoopbackAddress(), port.port())) {
                socket.setSoTimeout(20_000);
                socket.getOutputStream()
                        .write(("GET " + target + " HTTP/1.1\r\nHost: worker\r\nConnection: close\r\n\r\n")
                                .getBytes(StandardCharsets.US_ASCII));
                var answer = new String(socket.getInputStream().readAllBytes(), StandardCharsets.US_ASCII);
                assertTrue(answer.startsWith("HTTP/1.1 200 "), answer);
                assertEquals(
                        seen + " http://worker" + seen + " " + path, answer.substring(answer.indexOf("\r\n\r\n") + 4));
            }
        }
    }
}
