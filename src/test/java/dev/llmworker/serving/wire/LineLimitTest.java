package dev.llmworker.serving.wire;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.Test;

class LineLimitTest {
    @Test
    void aSecondHasSoManyLinesAndTheNextOneSaysHowManyWereLeftOut() {
        var nanos = new AtomicLong(Long.MAX_VALUE - 5);
        var limit = new LineLimit(nanos::get);
        for (var i = 0; i < LineLimit.LINES; i++) {
            assertEquals(0, limit.admit());
        }
        for (var i = 0; i < 1000; i++) {
            assertEquals(-1, limit.admit());
        }
        nanos.addAndGet(LineLimit.WINDOW.toNanos() - 1);
        assertEquals(-1, limit.admit());
        nanos.incrementAndGet();
        assertEquals(1001, limit.admit());
        assertEquals(0, limit.admit());
    }
}
