package dev.llmworker.serving.delivery;

import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.llmworker.testing.Await;
import dev.llmworker.testing.RawConnection;
import dev.llmworker.testing.WorkerExtension;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/// Many clients that leave at once, in the middle of long answers.
class DroppedStreamsTest {
    private static final int STREAMS = 32;
    private static final int READ_BYTES = 4_000;
    private static final String BODY = "{\"prompt\":\"x\",\"max_tokens\":200000,\"stream\":true}";

    @RegisterExtension
    final WorkerExtension worker = WorkerExtension.mock();

    private List<RawConnection> webSockets() throws Exception {
        var clients = new ArrayList<RawConnection>();
        for (var i = 0; i < STREAMS; i++) {
            clients.add(worker.raw().upgrade("/ws").text(BODY));
        }
        return clients;
    }

    private List<RawConnection> eventStreams() throws Exception {
        var clients = new ArrayList<RawConnection>();
        for (var i = 0; i < STREAMS; i++) {
            clients.add(worker.raw()
                    .send("POST /generate HTTP/1.1\r\nHost: worker\r\nContent-Type: application/json\r\n"
                            + "Content-Length: " + BODY.length() + "\r\n\r\n" + BODY));
        }
        return clients;
    }

    private void assertAllEndAndLittleIsWasted(List<RawConnection> clients, boolean reset) throws Exception {
        for (var client : clients) {
            client.skip(READ_BYTES);
        }
        assertTrue(worker.stats.runningGenerations() >= STREAMS, "all run when they are dropped");
        for (var client : clients) {
            if (reset) {
                client.reset();
            } else {
                client.close();
            }
        }
        Await.until(
                "all generations are over",
                () -> worker.stats.finished("cancelled") == STREAMS && worker.stats.runningGenerations() == 0);
        assertTrue(worker.stats.wastedTokens() <= 2 * STREAMS, worker.stats.wastedTokens() + " wasted");
    }

    @Test
    void droppedWebSocketsWasteAtMostTwoTokensEach() throws Exception {
        assertAllEndAndLittleIsWasted(webSockets(), true);
    }

    @Test
    void closedWebSocketsWasteAtMostTwoTokensEach() throws Exception {
        assertAllEndAndLittleIsWasted(webSockets(), false);
    }

    @Test
    void droppedEventStreamsWasteAtMostTwoTokensEach() throws Exception {
        assertAllEndAndLittleIsWasted(eventStreams(), true);
    }

    @Test
    void closedEventStreamsWasteAtMostTwoTokensEach() throws Exception {
        assertAllEndAndLittleIsWasted(eventStreams(), false);
    }
}
