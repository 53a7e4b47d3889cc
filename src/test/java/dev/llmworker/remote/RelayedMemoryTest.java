package dev.llmworker.remote;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.llmworker.testing.Await;
import dev.llmworker.testing.ChatEvents;
import dev.llmworker.testing.RemoteExtension;
import dev.llmworker.testing.RunningWorker;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/// Answers of another server count against `MEMORY_BUDGET` while they are put together.
class RelayedMemoryTest {
    private static final int BUDGET_BYTES = 1 << 20;
    private static final String BODY = "{\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}";

    @RegisterExtension
    final RemoteExtension remote = new RemoteExtension(Map.of("MEMORY_BUDGET", "" + BUDGET_BYTES));

    private static String chunk(String delta) {
        return ChatEvents.of("{\"index\":0,\"delta\":{" + delta + "},\"finish_reason\":null}");
    }

    private void answers(String delta, int times) {
        remote.server().answers((_, wire) -> {
            var stream = wire.stream();
            for (var i = 0; i < times; i++) {
                stream.event(chunk(delta));
            }
            wire.event(ChatEvents.of("{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}"));
            wire.event("[DONE]");
            wire.raw("0\r\n\r\n");
        });
    }

    private void awaitNothingIsHeld() {
        Await.until("nothing is held", () -> remote.worker().port().memory().usedBytes() == 0);
    }

    @Test
    void anAnswerBeyondTheBudgetIsEnded() throws Exception {
        for (var delta :
                new String[] {"\"content\":\"" + "x".repeat(5000) + "\"", "\"parts\":[" + "[],".repeat(500) + "[]]"}) {
            answers(delta, 100);
            var answer = remote.worker().post("/v1/chat/completions", BODY);
            assertTrue(
                    (answer.statusCode() == 413 || answer.statusCode() == 503)
                            && answer.body().contains("MEMORY_BUDGET"),
                    answer.statusCode() + answer.body());
            awaitNothingIsHeld();
        }
    }

    @Test
    void halfAnEventCounts() throws Exception {
        var isCounted = new CountDownLatch(1);
        remote.server().answers((_, wire) -> {
            wire.stream().chunk(("data: " + "x".repeat(BUDGET_BYTES / 2)).getBytes(StandardCharsets.US_ASCII));
            isCounted.await();
            wire.cut();
        });
        var answer = RunningWorker.HTTP.sendAsync(
                remote.worker()
                        .request("/v1/chat/completions")
                        .POST(BodyPublishers.ofString(BODY))
                        .build(),
                BodyHandlers.ofString());
        Await.until(
                "half an event counts", () -> remote.worker().port().memory().usedBytes() >= BUDGET_BYTES / 2);
        isCounted.countDown();
        assertEquals(502, answer.join().statusCode());
        awaitNothingIsHeld();
    }

    @Test
    void manySmallChunksOfAShortAnswerAreFew() throws Exception {
        answers("\"content\":\"x\"", 5000);
        assertEquals(200, remote.worker().post("/v1/chat/completions", BODY).statusCode());
        awaitNothingIsHeld();
    }
}
