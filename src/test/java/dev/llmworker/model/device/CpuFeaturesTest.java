package dev.llmworker.model.device;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class CpuFeaturesTest {
    @TempDir
    Path folder;

    private Set<String> read(String description) throws IOException {
        return CpuFeatures.read(Files.writeString(folder.resolve("cpuinfo"), description));
    }

    @Test
    void theFirstProcessorOfAnX86Machine() throws Exception {
        assertEquals(
                Set.of("fpu", "sse4_2", "avx2"),
                read("processor\t: 0\nmodel name\t: AMD EPYC\nflags\t\t: fpu sse4_2 avx2\nbugs\t\t: spectre_v1\n"
                        + "processor\t: 1\nflags\t\t: fpu\n"));
    }

    @Test
    void theFirstProcessorOfAnArmMachine() throws Exception {
        assertEquals(
                Set.of("fp", "asimd", "sve", "bf16"),
                read("processor\t: 0\nBogoMIPS\t: 2100.00\nFeatures\t: fp asimd sve bf16\nCPU implementer\t: 0x41\n"));
    }

    @Test
    void noDescription() throws Exception {
        assertEquals(Set.of(), read(""));
        assertEquals(Set.of(), CpuFeatures.read(folder.resolve("none")));
    }
}
