package dev.llmworker.model.decoder;

import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assumptions.abort;

import dev.llmworker.model.NativeLibrary;
import dev.llmworker.model.device.CpuFeatures;
import dev.llmworker.model.device.Libtorch;
import java.util.List;

/// What a test needs of the machine that runs it. If the machine lacks `g++`, the test is skipped, and fails
/// if the environment variable `CI` is set. A CI machine without AVX-512 skips a test too.
public final class MachineNeeds {
    /// What libtorch's AVX-512 kernels need.
    private static final List<String> AVX512 = List.of("avx512f", "avx512bw", "avx512vl", "avx512dq");

    private MachineNeeds() {}

    /// The library in C++, which takes `g++` to build.
    public static void nativeLibrary() throws InterruptedException {
        Libtorch.await();
        var problem = NativeLibrary.problem();
        if (System.getenv("CI") != null) {
            assertNull(problem, "CI must test the native library");
        }
        if (problem != null) {
            abort("this test needs g++: " + problem);
        }
    }

    static void avx512() {
        if (!CpuFeatures.read().containsAll(AVX512)) {
            abort("this test needs a CPU with AVX-512");
        }
    }
}
