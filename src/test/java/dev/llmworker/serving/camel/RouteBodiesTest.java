package dev.llmworker.serving.camel;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.llmworker.generation.MockGenerator;
import dev.llmworker.testing.RouteFolder;
import dev.llmworker.testing.RunningWorker;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.SequenceInputStream;
import java.net.http.HttpResponse;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Random;
import org.apache.camel.Processor;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// Every kind of body that a route may leave as its answer.
class RouteBodiesTest {
    private static final byte[] LARGE = new byte[3 << 20];

    static {
        new Random(7).nextBytes(LARGE);
    }

    @TempDir
    Path folder;

    private HttpResponse<byte[]> answer(Processor route) throws Exception {
        RouteFolder.in(folder);
        try (var worker = RunningWorker.with(new MockGenerator(), folder)) {
            worker.bind("route", route);
            new RouteFolder(folder).route("mine", "platform-http:/mine", "process: {ref: route}");
            worker.routeFiles().reload();
            return RunningWorker.HTTP.send(worker.request("/mine").build(), HttpResponse.BodyHandlers.ofByteArray());
        }
    }

    private void assertSentWithItsLength(Object body) throws Exception {
        var answer = answer(exchange -> exchange.getMessage().setBody(body));
        assertEquals(200, answer.statusCode());
        assertEquals("grüße", new String(answer.body(), StandardCharsets.UTF_8));
        assertEquals("7", answer.headers().firstValue("Content-Length").orElse("none"));
    }

    @Test
    void textAndBytesAreSentWithTheirLength() throws Exception {
        var utf8 = "grüße".getBytes(StandardCharsets.UTF_8);
        assertSentWithItsLength("grüße");
        assertSentWithItsLength(utf8);
        assertSentWithItsLength(ByteBuffer.wrap(utf8));
        assertSentWithItsLength(ByteBuffer.allocate(20).put(3, utf8).position(3).limit(10));
    }

    @Test
    void nothingIs204AndAStatusOfTheRoutesIsKept() throws Exception {
        assertEquals(
                204, answer(exchange -> exchange.getMessage().setBody(null)).statusCode());
        var answer = answer(exchange -> {
            exchange.getMessage().setBody("gone");
            exchange.getMessage().setHeader("CamelHttpResponseCode", 410);
        });
        assertEquals(410, answer.statusCode());
        assertEquals("gone", new String(answer.body(), StandardCharsets.UTF_8));
    }

    @Test
    void aStreamAndAFileArriveWhole() throws Exception {
        assertArrayEquals(
                LARGE,
                answer(exchange -> exchange.getMessage().setBody(new ByteArrayInputStream(LARGE)))
                        .body());
        var file = Files.write(folder.resolve("large.bin"), LARGE).toFile();
        assertArrayEquals(
                LARGE, answer(exchange -> exchange.getMessage().setBody(file)).body());
    }

    @Test
    void aStreamThatFailsHalfwayDoesNotLookWhole() {
        assertThrows(
                IOException.class,
                () -> answer(exchange -> exchange.getMessage()
                        .setBody(new SequenceInputStream(new ByteArrayInputStream(LARGE), new Failing()))));
    }

    @Test
    void aStreamThatFailsAtOnceIsAnError() throws Exception {
        var answer = answer(exchange -> exchange.getMessage().setBody(new Failing()));
        assertEquals(500, answer.statusCode());
    }

    @Test
    void aBodyThatIsNoneIsAnError() throws Exception {
        var answer = answer(exchange -> exchange.getMessage().setBody(new Object()));
        assertEquals(500, answer.statusCode());
        assertEquals(
                "{\"error\":\"the worker failed; its log has the cause under this answer's X-Request-Id\",\"code\":\"internal_error\"}",
                new String(answer.body(), StandardCharsets.UTF_8));
    }

    @Test
    void headersAreSentOnceForEachValueAndTheClientsNotSentBack() throws Exception {
        var answer = answer(exchange -> {
            exchange.getMessage().setHeader("X-One", "a, b");
            exchange.getMessage().setHeader("X-Two", List.of("c", "d"));
            exchange.getMessage().setBody("x");
        });
        assertEquals(List.of("a, b"), answer.headers().allValues("X-One"));
        assertEquals(List.of("c", "d"), answer.headers().allValues("X-Two"));
        assertEquals(List.of(), answer.headers().allValues("User-Agent"));
    }

    private static final class Failing extends InputStream {
        @Override
        public int read() throws IOException {
            throw new IOException("the disk is gone");
        }
    }
}
