package dev.llmworker.model;

import ai.djl.util.Utils;
import java.io.IOException;
import java.nio.file.Files;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import org.jspecify.annotations.Nullable;

/// The operators in C++ (`src/main/native`), loaded once for the process, after libtorch.
///
/// Threading: any thread.
public final class NativeLibrary {
    /// A file of it, where it was put beside the worker; else it is taken from the worker's jar.
    private static final String FILE = "WORKER_NATIVE_LIBRARY";

    private static final String RESOURCE = "libllmworker.so";
    /// What it is compiled for.
    private static final List<String> CPU_FEATURES = List.of("avx2", "fma", "f16c");

    private static final FutureTask<Optional<String>> LOADING = new FutureTask<>(NativeLibrary::load);

    private NativeLibrary() {}

    /// Loads it, or finds that it is loaded.
    ///
    /// @return why it cannot be used here; null where it can
    public static @Nullable String problem() throws InterruptedException {
        // Returns at once where another thread does it or has done it.
        LOADING.run();
        try {
            return LOADING.get().orElse(null);
        } catch (ExecutionException e) {
            throw new IllegalStateException("the native library cannot be loaded", e);
        }
    }

    private static Optional<String> load() {
        try {
            checkCpu();
            var file = Utils.getEnvOrSystemProperty(FILE);
            if (file == null) {
                loadFromJar();
            } else {
                System.load(file);
            }
            return Optional.empty();
        } catch (IOException e) {
            return Optional.of(String.valueOf(e.getMessage()));
        } catch (UnsatisfiedLinkError e) {
            return Optional.of("it cannot be loaded: " + e.getMessage());
        }
    }

    private static void loadFromJar() throws IOException {
        try (var library = NativeLibrary.class.getResourceAsStream(RESOURCE)) {
            if (library == null) {
                throw new IOException("the worker was built without it: no C++ compiler was there");
            }
            var copy = Files.createTempFile("llmworker", ".so");
            try {
                Files.write(copy, library.readAllBytes());
                System.load(copy.toString());
            } finally {
                // What is loaded stays, without a name.
                Files.delete(copy);
            }
        }
    }

    private static void checkCpu() throws IOException {
        var features = CpuFeatures.read();
        if (features.isEmpty()) {
            throw new IOException("it is for Linux on x86-64");
        }
        for (var feature : CPU_FEATURES) {
            if (!features.contains(feature)) {
                throw new IOException("the CPU has no " + feature);
            }
        }
    }
}
