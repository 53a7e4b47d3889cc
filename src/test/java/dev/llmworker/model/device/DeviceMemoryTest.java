package dev.llmworker.model.device;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ai.djl.Device;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

class DeviceMemoryTest {
    private static final long GIB = 1L << 30;
    private static final Map<String, Long> HOST = DeviceMemory.figures(
            List.of(
                    "MemTotal:       16777216 kB",
                    "MemFree:         1048576 kB",
                    "MemAvailable:   12582912 kB",
                    "HugePages_Total:       0"),
            1024);

    @Test
    void onAMachineCachedFilesAreAvailable() {
        assertEquals(
                new DeviceMemory(16 * GIB, 12 * GIB, "this machine"),
                DeviceMemory.ofMachine(16 * GIB, GIB, HOST, Map.of()));
    }

    @Test
    void inAContainerItsLimitCounts() {
        var stat = DeviceMemory.figures(
                List.of("anon 1073741824", "file 9", "active_file 536870912", "inactive_file 536870912"), 1);
        assertEquals(
                new DeviceMemory(4 * GIB, 3 * GIB, "this container"),
                DeviceMemory.ofMachine(4 * GIB, 2 * GIB, HOST, stat));
    }

    @Test
    void inAnOlderContainerTheFiguresOfItsWholeTreeCount() {
        var stat = DeviceMemory.figures(
                List.of("active_file 1", "inactive_file 1", "total_active_file 1073741824", "total_inactive_file 0"),
                1);
        assertEquals(
                new DeviceMemory(4 * GIB, 3 * GIB, "this container"),
                DeviceMemory.ofMachine(4 * GIB, 2 * GIB, HOST, stat));
    }

    @Test
    void aHostWithLessThanTheContainersLimitCounts() {
        assertEquals(
                12 * GIB,
                DeviceMemory.ofMachine(15 * GIB, 15 * GIB, HOST, Map.of()).available());
    }

    @Test
    void withoutFiguresOfTheSystemFreeMemoryCounts() {
        assertEquals(
                new DeviceMemory(16 * GIB, GIB, "this machine"),
                DeviceMemory.ofMachine(16 * GIB, GIB, Map.of(), Map.of()));
    }

    @Test
    void thisMachineHasSome() {
        var memory = DeviceMemory.of(Device.cpu());
        assertTrue(memory.available() > 0 && memory.available() <= memory.total(), memory::toString);
    }
}
