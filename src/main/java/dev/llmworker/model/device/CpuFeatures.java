package dev.llmworker.model.device;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/// The processor's optional instruction sets, by Linux's names: `avx2`, `asimd`.
public final class CpuFeatures {
    private static final Path DESCRIPTION = Path.of("/proc/cpuinfo");
    /// The line has one name on x86-64 and another on ARM.
    private static final Pattern LINE = Pattern.compile("(?:flags|Features)\\s*:\\s*(.*)");

    private CpuFeatures() {}

    /// The features of this machine. The set is empty if it does not run Linux.
    public static Set<String> read() {
        return read(DESCRIPTION);
    }

    /// The features of the first processor.
    static Set<String> read(Path description) {
        try (var lines = Files.lines(description)) {
            return lines.map(LINE::matcher)
                    .filter(Matcher::matches)
                    .findFirst()
                    .map(line -> Set.of(line.group(1).strip().split("\\s+")))
                    .orElse(Set.of());
        } catch (IOException e) {
            return Set.of();
        }
    }
}
