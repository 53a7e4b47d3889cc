package dev.llmworker.assembly;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.llmworker.serving.connection.Timeouts;
import dev.llmworker.settings.Settings;
import dev.llmworker.testing.LogLines;
import java.time.Duration;
import java.util.Map;
import org.junit.jupiter.api.Test;

class ListeningTest {
    @Test
    void clientsHaveTheTimesThatAreSet() throws Exception {
        assertEquals(Timeouts.DEFAULT, Listening.settings(Settings.of(Map.of())).timeouts());
        var values = Map.of(
                "HEADER_TIMEOUT", "1s",
                "BODY_TIMEOUT", "2",
                "SEND_TIMEOUT", "4",
                "IDLE_TIMEOUT", "3",
                "PING_INTERVAL", "0",
                "PONG_TIMEOUT", "5",
                "DRAIN_TIMEOUT", "1m");
        assertEquals(
                new Timeouts(
                        Duration.ofSeconds(1),
                        Duration.ofSeconds(2),
                        Duration.ofSeconds(4),
                        Duration.ofSeconds(3),
                        Duration.ZERO,
                        Duration.ofSeconds(5),
                        Duration.ofMinutes(1)),
                Listening.settings(Settings.of(values)).timeouts());
    }

    @Test
    void healthChecksComeToThePortUnlessTheyHaveTheirOwn() throws Exception {
        var one = Listening.settings(Settings.of(Map.of("PORT", "8082")));
        assertEquals(8082, one.port());
        assertEquals(8082, one.healthPort());
        var two = Listening.settings(Settings.of(Map.of("PORT", "8082", "PORT_HEALTH", "8083")));
        assertEquals(8082, two.port());
        assertEquals(8083, two.healthPort());
    }

    /// Without descriptors for files, a key file could not be read any more.
    @Test
    void connectionsLeaveDescriptorsForFiles() {
        assertEquals(768, Listening.defaultConnections(1024, 1L << 30));
        assertEquals(400, Listening.chosenConnections(400, 1024));
        try (var log = new LogLines(Listening.class.getName())) {
            assertEquals(768, Listening.chosenConnections(5000, 1024));
            assertEquals(1, log.with("MAX_CONNECTIONS is 5000").size());
        }
    }

    @Test
    void connectionsToTheEnginesServersNeedDescriptorsToo() throws Exception {
        assertEquals(1024, Listening.besidesServers(Settings.of(Map.of()), 1024));
        assertEquals(768, Listening.besidesServers(Settings.of(Map.of("ENGINE", "openai")), 1024));
        var three = Map.of(
                "ENGINE",
                "openai",
                "ENGINE_BASE_URL",
                "http://a/v1,http://b/v1,http://c/v1",
                "ENGINE_CONNECTIONS",
                "100");
        assertEquals(724, Listening.besidesServers(Settings.of(three), 1024));
        assertEquals(250, Listening.besidesServers(Settings.of(three), 500));
    }

    /// A container often may open a million files, and has a small heap.
    @Test
    void connectionsFitIntoTheHeap() {
        assertEquals(10_922, Listening.defaultConnections(1L << 20, 1L << 30));
        assertEquals(10_922, Listening.defaultConnections(Long.MAX_VALUE, 1L << 30));
        assertEquals(1, Listening.defaultConnections(1L << 20, 1));
    }
}
