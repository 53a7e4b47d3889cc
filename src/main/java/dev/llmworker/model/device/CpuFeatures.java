package dev.llmworker.model.device;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Set;

/// The processor's optional instruction sets, by Linux's names: `avx2`, `f16c`.
public final class CpuFeatures {
    private static final Path DESCRIPTION = Path.of("/proc/cpuinfo");

    private CpuFeatures() {}

    /// The features of this machine. The set is empty if it is not Linux on x86-64.
    public static Set<String> read() {
        try (var lines = Files.lines(DESCRIPTION)) {
            return lines.filter(line -> line.startsWith("flags"))
                    .findFirst()
                    .map(line ->
                            Set.of(line.substring(line.indexOf(':') + 1).strip().split("\\s+")))
                    .orElse(Set.of());
        } catch (IOException e) {
            return Set.of();
        }
    }
}
