package dev.llmworker.remote;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.llmworker.generation.Readiness;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.Test;

class RemoteServerTest {
    private final AtomicLong clock = new AtomicLong();
    private final RemoteServer server = new RemoteServer(ServerAddress.parse("http://a:1"), clock::get);

    private void failTimes(int times) {
        for (var i = 0; i < times; i++) {
            server.failed(true);
        }
    }

    private void pass(int seconds) {
        clock.addAndGet(TimeUnit.SECONDS.toNanos(seconds));
    }

    @Test
    void threeFailuresInARowEjectForATimeThatDoubles() {
        server.healthy("m");
        for (var seconds : new int[] {1, 2, 4, 8, 16, 32, 32}) {
            failTimes(2);
            assertTrue(server.isReady());
            failTimes(1);
            pass(seconds - 1);
            assertFalse(server.isReady(), seconds + " s");
            pass(1);
            assertTrue(server.isReady(), seconds + " s");
        }
        // An answer forgives all.
        server.succeeded();
        failTimes(3);
        pass(1);
        assertTrue(server.isReady());
    }

    @Test
    void anAnswerBetweenFailuresCountsThemAnew() {
        server.healthy("m");
        failTimes(2);
        server.succeeded();
        failTimes(2);
        assertTrue(server.isReady());
    }

    @Test
    void theLastServerIsNotEjected() {
        server.healthy("m");
        for (var i = 0; i < 10; i++) {
            server.failed(false);
        }
        assertTrue(server.isReady());
    }

    @Test
    void oneFailedCheckMayBeAnAccidentAndARefusedConnectionIsNot() {
        server.healthy("m");
        server.unhealthy("slow", false);
        assertTrue(server.isReady());
        server.healthy("m");
        server.unhealthy("slow", false);
        server.unhealthy("slow", false);
        assertEquals(new Readiness.Failed("the engine's server does not answer"), server.health());
        server.healthy("m");
        server.unhealthy("refused", true);
        assertFalse(server.isReady());
    }

    @Test
    void aServerThatIsStartedAgainLoadsWhenItIsGone() {
        var restarted = new RemoteServer(ServerAddress.parse("http://a:1"), new Readiness.Loading(), clock::get);
        restarted.healthy("m");
        restarted.unhealthy("refused", true);
        assertEquals(new Readiness.Loading(), restarted.health());
    }

    @Test
    void beforeItWasReadyItIsLoadingHoweverOftenItFails() {
        for (var i = 0; i < 10; i++) {
            server.unhealthy("refused", true);
        }
        assertEquals(new Readiness.Loading(), server.health());
    }
}
