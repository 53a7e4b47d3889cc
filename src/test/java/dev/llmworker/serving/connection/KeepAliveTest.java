package dev.llmworker.serving.connection;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.llmworker.serving.connection.KeepAlive.Finding;
import java.time.Duration;
import org.junit.jupiter.api.Test;

/// When a client is pinged, and when it counts as gone or too slow, to the millisecond.
class KeepAliveTest {
    private static final Duration UNUSED = Duration.ofDays(1);
    private static final Timeouts TIMEOUTS = new Timeouts(
            UNUSED, Duration.ofSeconds(2), UNUSED, UNUSED, Duration.ofSeconds(30), Duration.ofSeconds(10), UNUSED);
    private static final Timeouts WITHOUT_PINGS =
            new Timeouts(UNUSED, Duration.ofSeconds(2), UNUSED, UNUSED, Duration.ZERO, Duration.ofSeconds(10), UNUSED);

    private long nowMillis = 5_000;
    private final KeepAlive keepAlive = new KeepAlive(() -> nowMillis);

    private Finding after(long millis) {
        nowMillis += millis;
        return keepAlive.look(nowMillis, TIMEOUTS);
    }

    @Test
    void aQuietClientIsPingedAndThenGone() {
        assertEquals(Finding.WELL, after(29_999));
        assertEquals(Finding.TO_PING, after(1));
        assertEquals(Finding.WELL, after(10_000));
        assertEquals(Finding.GONE, after(1));
    }

    @Test
    void anythingFromTheClientAnswersThePing() {
        assertEquals(Finding.TO_PING, after(30_000));
        nowMillis += 5_000;
        keepAlive.heard();
        assertEquals(Finding.WELL, after(29_999));
        assertEquals(Finding.TO_PING, after(1));
    }

    @Test
    void withoutPingsAQuietClientStays() {
        nowMillis += Duration.ofDays(7).toMillis();
        assertEquals(Finding.WELL, keepAlive.look(nowMillis, WITHOUT_PINGS));
    }

    @Test
    void aFrameHasTheBodysTimeFromItsFirstByte() {
        keepAlive.frameBegun(true);
        nowMillis += 1_500;
        keepAlive.heard();
        keepAlive.frameBegun(true);
        assertEquals(Finding.WELL, after(500));
        assertEquals(Finding.TOO_SLOW, after(1));
        keepAlive.frameBegun(false);
        assertEquals(Finding.WELL, after(0));
    }

    @Test
    void aMessageHasTheBodysTimeHoweverManyFramesItHas() {
        keepAlive.messageBegun(true);
        for (var i = 0; i < 4; i++) {
            nowMillis += 500;
            keepAlive.frameBegun(true);
            keepAlive.frameBegun(false);
            keepAlive.messageBegun(true);
        }
        assertEquals(Finding.WELL, after(0));
        assertEquals(Finding.TOO_SLOW, after(1));
    }

    @Test
    void aClientThatTheWorkerDoesNotReadHasAllItsTimeAgain() {
        keepAlive.messageBegun(true);
        keepAlive.paused(true);
        assertEquals(Finding.WELL, after(100_000));
        keepAlive.paused(false);
        assertEquals(Finding.WELL, after(2_000));
        assertEquals(Finding.TOO_SLOW, after(1));
    }
}
