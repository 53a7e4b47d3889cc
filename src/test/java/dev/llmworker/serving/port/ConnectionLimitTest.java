package dev.llmworker.serving.port;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.llmworker.generation.MockGenerator;
import dev.llmworker.testing.Await;
import dev.llmworker.testing.FreePort;
import dev.llmworker.testing.RawConnection;
import dev.llmworker.testing.RunningWorker;
import dev.llmworker.testing.TestSettings;
import java.io.IOException;
import java.net.InetAddress;
import java.net.Socket;
import java.util.Map;
import org.junit.jupiter.api.Test;

/// How many connections the port takes.
class ConnectionLimitTest {
    private static final String PING = "GET /ping HTTP/1.1\r\nHost: w\r\n\r\n";

    private static boolean isServed(RawConnection connection) {
        try {
            return connection.send(PING).head().contains("HTTP/1.1 200 ");
        } catch (IOException _) {
            return false;
        }
    }

    private static void assertLimit(Map<String, String> settings) throws Exception {
        try (var worker = new RunningWorker(new MockGenerator(), settings);
                var first = worker.raw();
                var second = worker.raw()) {
            assertTrue(isServed(first) && isServed(second));
            try (var third = worker.raw()) {
                assertTrue(!isServed(third), "it is one too many");
            }
            assertTrue(isServed(first), "the others go on");
            second.close();
            Await.until("there is room again", () -> {
                try (var next = worker.raw()) {
                    return isServed(next);
                } catch (IOException _) {
                    return false;
                }
            });
        }
    }

    @Test
    void theOneTooManyIsClosed() throws Exception {
        assertLimit(Map.of("MAX_CONNECTIONS", "2"));
    }

    @Test
    void theOneTooManyFromAnAddressIsClosed() throws Exception {
        assertLimit(Map.of("MAX_CONNECTIONS_PER_ADDRESS", "2"));
    }

    @Test
    void theHealthPortHasConnectionsOfItsOwn() throws Exception {
        var settings = Map.of("MAX_CONNECTIONS", "1", "PORT_HEALTH", "" + FreePort.choose());
        try (var worker = new RunningWorker(new MockGenerator(), settings);
                var only = worker.raw();
                var health = new RawConnection(new Socket(
                        InetAddress.getLoopbackAddress(), worker.port().healthPort()))) {
            assertTrue(isServed(only) && isServed(health));
        }
    }

    @Test
    void byDefaultThereAreFewerThanDescriptorsAndNoMoreThanAQuarterOfTheHeap() throws Exception {
        var capacity = TestSettings.listening(Map.of()).capacity();
        assertTrue(capacity.connections() > 0);
        assertEquals(Runtime.getRuntime().maxMemory() / 4, capacity.memoryBytes());
        assertEquals(0, capacity.connectionsPerAddress());
    }
}
