package dev.llmworker.model.device;

import ai.djl.Device;
import ai.djl.util.cuda.CudaUtils;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;

/// The memory of a device, in bytes.
///
/// @param total of the machine, the container or the GPU
/// @param available the part that nothing uses; cached files count as available
/// @param place where the memory is, for messages: `this machine`
public record DeviceMemory(long total, long available, String place) {
    private static final Path MEMINFO = Path.of("/proc/meminfo");
    private static final Path OWN_CGROUP = Path.of("/proc/self/cgroup");
    private static final Path CGROUPS = Path.of("/sys/fs/cgroup");
    private static final long KIB = 1024;
    /// Of both versions of control groups.
    private static final Set<String> CACHED =
            Set.of("inactive_file", "active_file", "total_inactive_file", "total_active_file");

    /// As [#of], after libtorch's allocator has given back what it keeps for later.
    public static DeviceMemory emptied(Device device) {
        FreedMemory.giveBack(device);
        return of(device);
    }

    public static DeviceMemory of(Device device) {
        if (device.isGpu()) {
            var memory = CudaUtils.getGpuMemory(device);
            return new DeviceMemory(memory.getMax(), memory.getMax() - memory.getUsed(), "the GPU");
        }
        // Both know the limits of the container that the process runs in.
        var system = (com.sun.management.OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();
        var total = system.getTotalMemorySize();
        // macOS counts cached files as used, and Java cannot ask how many there are. Half of the memory is a guess.
        var least = System.getProperty("os.name").startsWith("Mac") ? total / 2 : 0;
        return ofMachine(
                total,
                Math.max(system.getFreeMemorySize(), least),
                figures(lines(MEMINFO), KIB),
                figures(containerFigures(), 1));
    }

    /// @param free of it, without cached files
    /// @param host of `/proc/meminfo`
    /// @param container of `memory.stat`; empty if there is none
    public static DeviceMemory ofMachine(long total, long free, Map<String, Long> host, Map<String, Long> container) {
        var available = host.getOrDefault("MemAvailable", free);
        if (total < host.getOrDefault("MemTotal", 0L)) {
            var totals = container.containsKey("total_inactive_file");
            var cached = container.entrySet().stream()
                    .filter(figure ->
                            CACHED.contains(figure.getKey()) && figure.getKey().startsWith("total_") == totals)
                    .mapToLong(Map.Entry::getValue)
                    .sum();
            return new DeviceMemory(total, Math.min(available, Math.min(total, free + cached)), "this container");
        }
        return new DeviceMemory(total, Math.min(total, available), "this machine");
    }

    /// `MemTotal:  24683656 kB` and `active_file 4096` alike.
    public static Map<String, Long> figures(List<String> lines, long unit) {
        var figures = new TreeMap<String, Long>();
        for (var line : lines) {
            var parts = line.split(":?\\s+");
            if (parts.length >= 2 && parts[1].matches("\\d{1,18}")) {
                figures.put(parts[0], Long.parseLong(parts[1]) * unit);
            }
        }
        return figures;
    }

    private static List<String> containerFigures() {
        for (var line : lines(OWN_CGROUP)) {
            // 0::/path in version 2, 4:memory:/path in version 1.
            var parts = line.split(":", 3);
            if (parts.length == 3 && (parts[1].isEmpty() || parts[1].equals("memory"))) {
                var base = parts[1].isEmpty() ? CGROUPS : CGROUPS.resolve("memory");
                for (var folder : List.of(base.resolve("." + parts[2]), base)) {
                    var figures = lines(folder.resolve("memory.stat"));
                    if (!figures.isEmpty()) {
                        return figures;
                    }
                }
            }
        }
        return List.of();
    }

    private static List<String> lines(Path file) {
        try {
            return Files.isReadable(file) ? Files.readAllLines(file) : List.of();
        } catch (IOException _) {
            return List.of();
        }
    }
}
