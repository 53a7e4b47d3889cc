package dev.llmworker.assembly;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.llmworker.serving.connection.Timeouts;
import dev.llmworker.settings.Settings;
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
}
