package dev.llmworker.model;

import ai.djl.engine.Engine;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;

/// The native library, loaded once for the process. It takes the longest of all that a start waits for, and needs
/// nothing
/// of the rest.
///
/// Threading: any thread.
public final class Libtorch {
    private static final FutureTask<Engine> LOADING = new FutureTask<>(Libtorch::load);

    private Libtorch() {}

    /// Loads it on a thread of its own. What goes wrong there is thrown where it is awaited.
    public static void startLoading() {
        Thread.ofPlatform().name("libtorch").daemon().start(LOADING);
    }

    /// Loads it, or waits until it is loaded.
    static void await() throws InterruptedException {
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

    private static Engine load() {
        // DJL reports its use to its makers otherwise.
        System.setProperty("OPT_OUT_TRACKING", "true");
        return Engine.getEngine("PyTorch");
    }
}
