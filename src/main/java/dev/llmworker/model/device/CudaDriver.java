package dev.llmworker.model.device;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.foreign.ValueLayout;

/// NVIDIA's driver, asked for why there is no GPU. DJL only counts them.
final class CudaDriver {
    private static final String LIBRARY = "libcuda.so.1";
    /// The driver from which libtorch's CUDA runs: a 12.x needs any driver for CUDA 12.
    private static final int LEAST_VERSION = 12_000;

    // Results of cuInit and cuDeviceGetCount.
    private static final int SUCCESS = 0;
    private static final int NO_DEVICE = 100;
    private static final int SYSTEM_DRIVER_MISMATCH = 803;
    private static final int COMPAT_NOT_SUPPORTED = 804;

    private CudaDriver() {}

    /// Why no GPU can be used; empty if the driver has no complaint.
    static String problem() {
        try (var arena = Arena.ofConfined()) {
            SymbolLookup driver;
            try {
                driver = SymbolLookup.libraryLookup(LIBRARY, arena);
            } catch (IllegalArgumentException _) {
                return "there is no NVIDIA driver (" + LIBRARY + ")";
            }
            var count = arena.allocate(ValueLayout.JAVA_INT);
            var version = arena.allocate(ValueLayout.JAVA_INT);
            var got = call(driver, "cuDriverGetVersion", version);
            var begun = init(driver);
            var counted = begun == SUCCESS ? call(driver, "cuDeviceGetCount", count) : begun;
            return problem(
                    got == SUCCESS ? version.get(ValueLayout.JAVA_INT, 0) : 0,
                    counted,
                    count.get(ValueLayout.JAVA_INT, 0));
        } catch (Throwable e) {
            // The count of GPUs decides; this only explains it.
            return "NVIDIA's driver cannot be asked why (" + e.getMessage() + ")";
        }
    }

    /// @param version the newest CUDA that the driver runs: 12080 is 12.8; 0 if it does not say
    /// @param result of counting the GPUs
    static String problem(int version, int result, int count) {
        var named = version / 1000 + "." + version % 1000 / 10;
        if (version > 0 && version < LEAST_VERSION) {
            return "the driver is too old: it runs CUDA " + named
                    + " and older, and libtorch needs 12.0 or newer; update the driver of the host";
        }
        return switch (result) {
            case SUCCESS ->
                count > 0
                        ? ""
                        : "the driver has no GPU for this process (CUDA_VISIBLE_DEVICES, or --gpus of the container)";
            case NO_DEVICE -> "the driver finds no GPU (error 100)";
            case SYSTEM_DRIVER_MISMATCH, COMPAT_NOT_SUPPORTED ->
                "the driver's library in the container does not fit the driver of the host (error " + result + ")";
            default -> "the driver for CUDA " + named + " reports error " + result;
        };
    }

    private static int init(SymbolLookup driver) throws Throwable {
        var type = FunctionDescriptor.of(ValueLayout.JAVA_INT, ValueLayout.JAVA_INT);
        return (int) Linker.nativeLinker()
                .downcallHandle(driver.findOrThrow("cuInit"), type)
                .invokeExact(0);
    }

    private static int call(SymbolLookup driver, String name, MemorySegment to) throws Throwable {
        var type = FunctionDescriptor.of(ValueLayout.JAVA_INT, ValueLayout.ADDRESS);
        return (int) Linker.nativeLinker()
                .downcallHandle(driver.findOrThrow(name), type)
                .invokeExact(to);
    }
}
