package dev.llmworker.serving.openai;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.ObjectMapper;
import dev.llmworker.generation.FinishReason;
import dev.llmworker.testing.ChatEvents;
import dev.llmworker.testing.RemoteWorker;
import dev.llmworker.testing.RouteFolder;
import dev.llmworker.testing.RunningWorker;
import dev.llmworker.testing.ScriptedGenerator;
import dev.llmworker.testing.ScriptedServer;
import dev.llmworker.testing.Seeded;
import dev.llmworker.testing.Seeds;
import java.math.BigDecimal;
import java.nio.file.Path;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// Wherever a part of a client's JSON is written back, its numbers come back as they were written, and all that is
/// written is JSON.
class EchoFuzzTest {
    private static final ObjectMapper JSON = new ObjectMapper();

    @TempDir
    Path folder;

    private final long seed = Seeds.seed();
    private final Random random = new Random(seed);

    private String digits(int most) {
        var digits = new StringBuilder();
        for (var i = 1 + random.nextInt(most); i > 0; i--) {
            digits.append(random.nextInt(10));
        }
        return digits.toString();
    }

    /// A number of JSON, in one of all the ways to write it.
    private String number() {
        var number = new StringBuilder(random.nextBoolean() ? "-" : "");
        number.append(random.nextBoolean() ? "0" : (1 + random.nextInt(9)) + digits(25));
        if (random.nextBoolean()) {
            number.append('.').append(digits(25));
        }
        if (random.nextBoolean()) {
            number.append(random.nextBoolean() ? 'e' : 'E');
            number.append(new String[] {"", "+", "-"}[random.nextInt(3)]).append(digits(3));
        }
        return number.toString();
    }

    @Seeded
    @Test
    void idsAndErrorsOfAWebSocketHaveTheNumberAsItWasWritten() throws Exception {
        var engine = new ScriptedGenerator();
        try (var worker = RunningWorker.with(engine);
                var socket = worker.socket("/ws")) {
            for (var round = 0; round < Seeds.rounds(200); round++) {
                var number = number();
                var at = "seed " + seed + ", round " + round;
                socket.send("{\"id\":" + number + ",\"prompt\":\"x\"}");
                var script = engine.next();
                socket.send("{\"cancel\":" + number + "}");
                script.awaitClosed();
                assertEquals(
                        "{\"id\":" + number + ",\"done\":true,\"total_tokens\":0,\"finish_reason\":\"cancelled\"}",
                        socket.next(),
                        at);
                socket.send("{\"cancel\":" + number + "}");
                assertTrue(socket.next().startsWith("{\"id\":" + number + ",\"error\":"), at);
                socket.send("{\"id\":" + number + ",\"prompt\":" + number + "}");
                var shown = number.length() > 40 ? number.substring(0, 40) + "…" : number;
                assertEquals(
                        "{\"id\":" + number + ",\"error\":\"prompt is " + shown
                                + "; it must be a string\",\"code\":\"invalid_request\"}",
                        socket.next(),
                        at);
            }
        }
    }

    @Test
    void limitsNameTheNumberAsItWasWritten() throws Exception {
        try (var worker = RunningWorker.with(new ScriptedGenerator())) {
            for (var name : new String[] {"temperature", "top_p", "min_p", "top_k", "max_tokens", "presence_penalty"}) {
                for (var number : new String[] {"-1e999", "-70.0", "-9e0", "-1.5e3"}) {
                    var answer = worker.post("/generate", "{\"prompt\":\"x\",\"" + name + "\":" + number + "}");
                    assertTrue(
                            answer.body().startsWith("{\"error\":\"" + name + " is " + number + "; it must be "),
                            answer.body());
                }
            }
        }
    }

    @Seeded
    @Test
    void whatARoutePassesOnHasTheNumberAsItWasWritten() throws Exception {
        var routes = RouteFolder.in(folder)
                .route(
                        "echo",
                        "platform-http:/echo",
                        "unmarshal: {custom: {ref: strictJson}}",
                        "marshal: {custom: {ref: strictJson}}")
                .path();
        try (var worker = RunningWorker.with(new ScriptedGenerator(), routes)) {
            for (var round = 0; round < Seeds.rounds(200); round++) {
                var body = "{\"a\":" + number() + ",\"b\":[" + number() + ",{\"c\":" + number() + "}],\"d\":null}";
                assertEquals(body, worker.post("/echo", body).body(), "seed " + seed + ", round " + round);
            }
        }
    }

    @Seeded
    @Test
    void whatIsRelayedHasTheNumbersOfItsClientAndOfItsServer() throws Exception {
        try (var server = new ScriptedServer();
                var remote = new RemoteWorker(Map.of(), server)) {
            remote.awaitReady();
            for (var round = 0; round < Seeds.rounds(100); round++) {
                var at = "seed " + seed + ", round " + round;
                var number = number();
                // The worker writes an event anew that ends within a character.
                var content = round % 2 == 0 ? "a" : "\\ud83d";
                server.answers((_, wire) -> wire.stream()
                        .event(ChatEvents.of(
                                "{\"index\":0,\"delta\":{\"content\":\"" + content + "\",\"x\":" + number + "}}"))
                        .end("stop", 1, 1));
                var answer = remote.worker.post(
                        "/v1/chat/completions", "{\"messages\":[],\"metadata\":{\"x\":" + number + "},\"user\":\"u\"}");
                assertEquals(200, answer.statusCode(), at + answer.body());
                assertTrue(server.next().text().contains("\"metadata\":{\"x\":" + number + "}"), at);
                var written = answer.body().replaceAll(".*\"x\":([^,}]*).*", "$1");
                assertTrue(JSON.readTree(answer.body()).isObject(), at);
                assertEquals(0, new BigDecimal(number).compareTo(new BigDecimal(written)), at + answer.body());
            }
        }
    }

    @Test
    void anAnswerHasNoInfinity() throws Exception {
        var engine = new ScriptedGenerator();
        try (var worker = RunningWorker.with(engine);
                var socket = worker.socket("/ws")) {
            socket.send("{\"id\":1e999,\"prompt\":\"x\"}");
            engine.next().emit("a").finish(FinishReason.STOP);
            assertEquals("{\"id\":1e999,\"token\":\"a\",\"index\":0}", socket.next());
        }
    }
}
