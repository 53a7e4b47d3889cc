package dev.llmworker.model;

import ai.djl.engine.Engine;
import ai.djl.util.cuda.CudaUtils;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;

/// The native library, loaded once for the process. It takes the longest of all that a start waits for, and needs
/// nothing of the rest.
///
/// Threading: any thread.
public final class Libtorch {
    /// What is there where a driver of NVIDIA's is: on Linux itself, and in Windows' subsystem for it.
    private static final List<String> GPU_FILES = List.of("/dev/nvidiactl", "/proc/driver/nvidia", "/dev/dxg");
    /// Has DJL ask in a process of its own.
    private static final String CUDA_BY_FORK = "ai.djl.util.cuda.fork";

    private static final FutureTask<Engine> LOADING = new FutureTask<>(Libtorch::load);

    private Libtorch() {}

    /// Loads it on a thread of its own. What goes wrong there is thrown where it is awaited.
    public static void startLoading() {
        Thread.ofPlatform().name("libtorch").daemon().start(LOADING);
    }

    /// Loads it, or waits until it is loaded.
    public static void await() throws InterruptedException {
        // Returns at once where another thread does it or has done it.
        LOADING.run();
        try {
            LOADING.get();
        } catch (ExecutionException e) {
            throw new IllegalStateException("libtorch cannot be loaded: " + e.getCause(), e.getCause());
        }
    }

    /// Refuses a GPU that is meant and cannot be used, before a model is fetched for it. Where a CPU may serve, this
    /// returns at once.
    ///
    /// @param device as [DecoderOptions#device()]
    /// @throws IllegalArgumentException with the reason
    public static void checkGpu(String device) throws InterruptedException {
        if (Devices.isGpuMeant(device)) {
            await();
            Devices.of(device);
        }
    }

    /// On other systems than Linux DJL finds out.
    private static boolean mayHaveGpu() {
        return !System.getProperty("os.name").equals("Linux")
                || GPU_FILES.stream().anyMatch(file -> Files.exists(Path.of(file)));
    }

    /// Spares DJL the search for GPUs where there can be none; call it before others use DJL. It asks CUDA
    /// through JNA, which unpacks a library and runs `ldconfig` to find out. A class that is loaded with this
    /// property set does not ask, and answers that there are none.
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
        // DJL reports its use to its makers otherwise.
        System.setProperty("OPT_OUT_TRACKING", "true");
        return Engine.getEngine("PyTorch");
    }
}
