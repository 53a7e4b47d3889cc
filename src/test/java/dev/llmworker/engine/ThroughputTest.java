package dev.llmworker.engine;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.time.Duration;
import org.junit.jupiter.api.Test;

class ThroughputTest {
    private long nowNanos;
    private final Throughput throughput = new Throughput(() -> nowNanos);

    private void pass(double seconds) {
        nowNanos += Duration.ofMillis(Math.round(seconds * 1000)).toNanos();
    }

    private void serve(int requests, double secondsEach) {
        for (var i = 0; i < requests; i++) {
            pass(secondsEach);
            throughput.ended();
            throughput.began();
        }
    }

    @Test
    void theWaitFollowsThePaceOfTheLastOnes() {
        throughput.began();
        serve(100, 0.5);
        assertEquals(5, throughput.secondsFor(10, 300));
        assertEquals(1, throughput.secondsFor(1, 300));
        serve(100, 3);
        assertEquals(30, throughput.secondsFor(10, 300));
        serve(100, 0.01);
        assertEquals(1, throughput.secondsFor(10, 300));
    }

    @Test
    void fewRequestsAreAPaceToo() {
        throughput.began();
        throughput.began();
        pass(8);
        throughput.ended();
        assertEquals(16, throughput.secondsFor(2, 300));
    }

    @Test
    void timeWithoutRequestsDoesNotCount() {
        throughput.began();
        serve(20, 1);
        throughput.ended();
        pass(1000);
        throughput.began();
        assertEquals(10, throughput.secondsFor(10, 300));
    }

    @Test
    void whatDoesNotEndSlowsThePace() {
        throughput.began();
        serve(100, 0.1);
        pass(60);
        assertEquals(11, throughput.secondsFor(10, 300));
    }

    @Test
    void withoutAMeasureTheWaitIsWhatHasPassed() {
        assertEquals(1, throughput.secondsFor(10, 300));
        throughput.began();
        pass(7);
        assertEquals(7, throughput.secondsFor(10, 300));
        pass(1000);
        assertEquals(300, throughput.secondsFor(10, 300));
    }
}
