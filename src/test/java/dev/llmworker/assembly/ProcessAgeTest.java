package dev.llmworker.assembly;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.management.ManagementFactory;
import org.junit.jupiter.api.Test;

class ProcessAgeTest {
    @Test
    void itIsTheUptimeWithoutTheTimeBeforeTheStart() {
        var stat = "17 (a name) of (brackets)) S 1 17 17 0 -1 4194560 1 0 0 0 5 6 0 0 20 0 1 0 123456 7 8 9";
        assertEquals(1_240, ProcessAge.millis(stat, "1235.80 2000.00\n"));
    }

    @Test
    void itIsNoLessThanTheJvms() {
        var jvmMillis = ManagementFactory.getRuntimeMXBean().getUptime();
        assertTrue(ProcessAge.millis() >= jvmMillis - 20, () -> ProcessAge.millis() + " and " + jvmMillis);
    }
}
