package dev.llmworker.stats;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.Test;

class StagesTest {
    @Test
    void eachStageIsTimedFromTheEndOfTheOneBefore() {
        var nanos = new AtomicLong(7_000_000);
        var stages = new Stages(nanos::get);
        assertEquals("", stages.toString());
        nanos.addAndGet(410_999_999);
        stages.ended("libtorch");
        nanos.addAndGet(62_000_001);
        stages.ended("weights");
        assertEquals("libtorch 410, weights 62", stages.toString());
    }
}
