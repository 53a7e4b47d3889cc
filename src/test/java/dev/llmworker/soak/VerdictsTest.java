package dev.llmworker.soak;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.function.LongUnaryOperator;
import java.util.function.Predicate;
import java.util.stream.LongStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/// A soak says so if a worker does not do what it must.
class VerdictsTest {
    private static final int MOST_ACTS = 1_000;
    private static final String TEXT = "It is so.";
    private static final String ANSWER = "{\"generated_text\":\"" + TEXT + "\",\"content\":\"" + TEXT + "\"}";

    private final Findings findings = new Findings();
    private final HttpServer server = server();

    /// What this worker answers to a request of this path, with a key and a good body or without.
    private volatile Answers answers = (path, good) -> new Answer(good ? 200 : 401, ANSWER, false);

    private record Answer(int status, String body, boolean retryAfter) {}

    private interface Answers {
        Answer to(String path, boolean hasKey);
    }

    private static HttpServer server() {
        try {
            return HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
        } catch (IOException e) {
            throw new IllegalStateException(e);
        }
    }

    private int serve() {
        server.createContext("/", exchange -> {
            try (exchange) {
                exchange.getRequestBody().readAllBytes();
                var hasKey = Wire.KEY.equals(exchange.getRequestHeaders().getFirst("X-API-Key"));
                var answer = answers.to(exchange.getRequestURI().getPath(), hasKey);
                if (answer.retryAfter) {
                    exchange.getResponseHeaders().set("Retry-After", "1");
                }
                var body = answer.body.getBytes(StandardCharsets.UTF_8);
                exchange.sendResponseHeaders(answer.status, body.length);
                exchange.getResponseBody().write(body);
            }
        });
        server.start();
        return server.getAddress().getPort();
    }

    @AfterEach
    void stop() {
        server.stop(0);
    }

    private HonestClient honest(int port) throws Exception {
        var prompts = new Prompts(true);
        prompts.learn(port);
        return new HonestClient(port, prompts, findings, new Random(1), 10);
    }

    /// What is found when the worker answers so, once the clients know its texts.
    private void assertFound(Answers wrong, Predicate<String> violation) throws Exception {
        var client = honest(serve());
        answers = wrong;
        for (var i = 0; i < MOST_ACTS && findings.violations().stream().noneMatch(violation); i++) {
            try {
                client.act();
            } catch (IOException _) {
                // There are no WebSockets here.
            }
        }
        assertTrue(findings.violations().stream().anyMatch(violation), findings.violations() + "");
        assertTrue(findings.failed());
    }

    @Test
    void anotherTextIsWrong() throws Exception {
        assertFound(
                (_, good) -> new Answer(good ? 200 : 401, ANSWER.replace("so", "not so"), false),
                it -> it.contains("got \"It is not so.\", alone \"It is so.\""));
    }

    @Test
    void anAnswerThatHasNotItsFormatIsWrong() throws Exception {
        assertFound(
                (_, good) -> new Answer(good ? 200 : 401, ANSWER, false), it -> it.contains("in the format salt|iron"));
    }

    @ParameterizedTest
    @ValueSource(ints = {500, 502, 504})
    void aFailureOfTheWorkerIsWrong(int status) throws Exception {
        assertFound((_, _) -> new Answer(status, "{}", false), it -> it.equals("/generate was answered by " + status));
    }

    @Test
    void aGoodRequestMayOnlyBeRefusedForNow() throws Exception {
        assertFound((_, _) -> new Answer(400, "{}", false), it -> it.contains("answered a good request by 400"));
    }

    @Test
    void aRefusalForNowSaysWhenToTryAgain() throws Exception {
        assertFound((_, _) -> new Answer(503, "{}", false), it -> it.contains("503 without Retry-After"));
    }

    @Test
    void nobodyIsServedWithoutAKey() throws Exception {
        assertFound((_, _) -> new Answer(200, ANSWER, false), it -> it.contains("without a key was answered by 200"));
    }

    @Test
    void aWrongRequestIsNotTaken() throws Exception {
        assertFound((_, good) -> new Answer(good ? 200 : 401, ANSWER, false), it -> it.contains(" took "));
    }

    @ParameterizedTest
    @CsvSource({"200, false", "400, true", "500, true"})
    void anAttackHasAnAnswerThatItMayHave(int status, boolean isWrong) throws Exception {
        answers = (_, _) -> new Answer(status, "{}", false);
        var port = serve();
        var attack = new Attack("it", _ -> Wire.get("/stats"), Set.of(200));
        new HostileClient(port, findings, new Random(1), 10, 0).attack(attack);
        assertEquals(isWrong, findings.failed());
    }

    @Test
    void aClientThatFailsIsWrong() throws Exception {
        var mix = new Mix(serve(), findings);
        mix.client("it", () -> {
            throw new IOException("cut");
        });
        while (findings.violations().isEmpty()) {
            Thread.onSpinWait();
        }
        mix.stop();
        assertEquals("it: java.io.IOException: cut", findings.violations().getFirst());
    }

    private boolean isFlat(LongUnaryOperator rssOfSample) {
        var samples = LongStream.range(0, 300)
                .mapToObj(i -> new WorkerUnderTest.Sample(1, 1, rssOfSample.applyAsLong(i)))
                .toList();
        var found = new Findings();
        new Trend(samples, found).isFlat("RSS in KiB", WorkerUnderTest.Sample::rssKilobytes, 1.25, 0);
        return !found.failed();
    }

    @Test
    void memoryThatGrowsIsFound() {
        assertTrue(isFlat(i -> 900_000 + i % 7));
        assertTrue(isFlat(i -> i == 299 ? 9_000_000 : 900_000), "one sample is no growth");
        assertFalse(isFlat(i -> 900_000 + i * 2_000));
        assertFalse(isFlat(i -> i < 200 ? 900_000 : 1_200_000));
    }

    private boolean isFast(int slow, long slowMicros, long late) {
        var found = new Findings();
        var pings = new Pings(0, found, () -> true);
        for (var i = 0; i < 1_000; i++) {
            pings.took(i < slow ? slowMicros : 2_000, i < slow ? late : 0);
        }
        pings.checkPercentile(250);
        return !found.failed();
    }

    @Test
    void pingsThatAreSlowAreFound() {
        assertTrue(isFast(9, 900_000, 0), "fewer than one of a hundred");
        assertFalse(isFast(11, 251_000, 0));
        assertTrue(isFast(11, 900_000, 800_000), "the machine stood still");
        new Pings(0, findings, () -> true).checkPercentile(250);
        assertTrue(findings.failed(), "without pings nothing is known");
    }

    @Test
    void whatIsLeftBehindIsFound() {
        var before = new WorkerUnderTest.Sample(29, 111, 0);
        assertTrue(Hostile.isFloor(new WorkerUnderTest.Sample(37, 115, 0), before));
        assertFalse(Hostile.isFloor(new WorkerUnderTest.Sample(38, 111, 0), before));
        assertFalse(Hostile.isFloor(new WorkerUnderTest.Sample(29, 116, 0), before));
        assertTrue(Hostile.isHeapFloor(20_000, 15_000));
        assertFalse(Hostile.isHeapFloor(38_000, 15_000));
    }

    @Test
    void aGaugeThatStaysIsFound() {
        var page = "llmworker_generations_running 0.0\nllmworker_memory_used_bytes 0\nllmworker_slots 16\n";
        Gauges.check(200, page, findings);
        assertFalse(findings.failed());
        for (var wrong : List.of(page.replace("running 0.0", "running 1.0"), page.replace("bytes 0", "bytes 7"), "")) {
            var found = new Findings();
            Gauges.check(200, wrong, found);
            assertTrue(found.failed(), wrong);
        }
    }

    @Test
    void linesOfErrorsAreFound() {
        for (var line : List.of(
                "17:38:24.001 ERROR InProcessGenerator: the engine failed and serves no more",
                "java.lang.OutOfMemoryError: Java heap space",
                "Exception in thread \"x\" java.lang.IllegalStateException",
                "\tat dev.llmworker.Worker.main(Worker.java:1)")) {
            assertTrue(Hostile.isError(line), line);
        }
        assertFalse(Hostile.isError("17:38:24.001 INFO  Requests: refused id=1 status=400 code=invalid_request"));
    }
}
