package dev.llmworker.model.device;

import ai.djl.engine.Engine;
import ai.djl.util.cuda.CudaUtils;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import java.util.stream.Collectors;

/// libtorch, loaded once for the process. Loading it takes longest of all parts of a start, and depends on none
/// of the others.
///
/// Threading: any thread.
public final class Libtorch {
    /// Files that exist if NVIDIA's driver is installed: on Linux itself, and in Windows' subsystem for Linux.
    private static final List<String> GPU_FILES = List.of("/dev/nvidiactl", "/proc/driver/nvidia", "/dev/dxg");
    /// How the names of features begin.
    private static final List<String> VECTORS = List.of("sse4", "avx", "amx", "fma", "f16c", "asimd", "sve", "bf16");
    /// If set, DJL looks for GPUs in a separate process.
    private static final String CUDA_BY_FORK = "ai.djl.util.cuda.fork";

    private static final FutureTask<Engine> LOADING = new FutureTask<>(Libtorch::load);

    private Libtorch() {}

    /// Loads libtorch on a thread of its own. [#await] throws its errors.
    public static void startLoading() {
        Thread.ofPlatform().name("libtorch").daemon().start(LOADING);
    }

    /// Loads it, or waits until it is loaded.
    public static void await() throws InterruptedException {
        // Returns at once if another thread does it or has done it.
        LOADING.run();
        try {
            LOADING.get();
        } catch (ExecutionException e) {
            throw new IllegalStateException("libtorch cannot be loaded: " + e.getCause(), e.getCause());
        }
    }

    /// Checks that a GPU that was asked for can be used, before a model is downloaded for it. If a CPU will do, this
    /// returns at once.
    ///
    /// @param device as `DecoderOptions.device()`
    /// @throws IllegalArgumentException with the reason
    public static void checkGpu(String device) throws InterruptedException {
        if (Devices.isGpuMeant(device)) {
            await();
            Devices.of(device);
        }
    }

    /// What decides how its kernels round: the version, and what the processor has to compute vectors.
    public static String kernels() {
        var features = CpuFeatures.read().stream()
                .filter(name -> VECTORS.stream().anyMatch(name::startsWith))
                .sorted()
                .collect(Collectors.joining(" "));
        return Engine.getEngine("PyTorch").getVersion() + " " + System.getProperty("os.arch") + " " + features;
    }

    /// Whether this machine may have a GPU. On systems other than Linux, DJL finds out.
    private static boolean mayHaveGpu() {
        return !System.getProperty("os.name").equals("Linux")
                || GPU_FILES.stream().anyMatch(file -> Files.exists(Path.of(file)));
    }

    /// Skips DJL's search for GPUs if there can be none. Call this before anything uses DJL. DJL asks CUDA through
    /// JNA, which unpacks a library and runs `ldconfig`. If this property is set while the class is loaded, the
    /// class does not ask, and answers that there are none.
    public static void spareCudaSearch() {
        if (mayHaveGpu()) {
            return;
        }
        System.setProperty(CUDA_BY_FORK, "true");
        try {
            Class.forName(CudaUtils.class.getName());
        } catch (ClassNotFoundException e) {
            throw new IllegalStateException(e);
        } finally {
            System.clearProperty(CUDA_BY_FORK);
        }
    }

    private static Engine load() {
        return Engine.getEngine("PyTorch");
    }
}
