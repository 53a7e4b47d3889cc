package dev.llmworker.model;

import ai.djl.util.Utils;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.SymbolLookup;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.nio.file.Files;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import org.jspecify.annotations.Nullable;

/// The operators in C++ (`src/main/native`). The process loads them once, after libtorch.
///
/// Threading: any thread.
public final class NativeLibrary {
    /// The library's file. If it is not set, the library comes from the worker's jar.
    private static final String FILE = "WORKER_NATIVE_LIBRARY";

    private static final String RESOURCE = "libllmworker.so";
    /// The CPU features that it is compiled for.
    private static final List<String> CPU_FEATURES = List.of("avx2", "fma", "f16c");

    /// `int32_t llmworker_register(char* message, uint64_t size)`, see `ops.cpp`.
    private static final String REGISTER = "llmworker_register";

    /// `int32_t llmworker_amx_is_usable()`.
    private static final String AMX = "llmworker_amx_is_usable";

    private static final int MESSAGE_BYTES = 512;

    private static final FutureTask<Optional<String>> LOADING = new FutureTask<>(NativeLibrary::load);

    private NativeLibrary() {}

    /// Loads it if it is not loaded yet.
    ///
    /// @return why it cannot be used here; null if it can
    public static @Nullable String problem() throws InterruptedException {
        // Returns at once if another thread does it or has done it.
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
            register();
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
                throw new IOException("the worker was built without it: no C++ compiler was found");
            }
            var copy = Files.createTempFile("llmworker", ".so");
            try {
                Files.write(copy, library.readAllBytes());
                System.load(copy.toString());
            } finally {
                // The loaded library stays mapped without its file.
                Files.delete(copy);
            }
        }
    }

    /// Registers the library's operators with libtorch. The library must be loaded.
    ///
    /// @throws IOException if libtorch rejects them, for instance because they are registered already
    public static void register() throws IOException {
        var signature = FunctionDescriptor.of(ValueLayout.JAVA_INT, ValueLayout.ADDRESS, ValueLayout.JAVA_LONG);
        var register = function(REGISTER, signature);
        try (var arena = Arena.ofConfined()) {
            var message = arena.allocate(MESSAGE_BYTES);
            if ((int) register.invokeExact(message, (long) MESSAGE_BYTES) != 0) {
                throw new IOException("its operators cannot be registered: " + message.getString(0));
            }
        } catch (IOException | RuntimeException | Error e) {
            throw e;
        } catch (Throwable e) {
            // The method handle declares Throwable but throws none of its own.
            throw new IllegalStateException(e);
        }
    }

    /// Whether this process can use AMX, with which libtorch multiplies bfloat16 several times as fast. The library
    /// must
    /// be loaded.
    public static boolean isAmxUsable() {
        try {
            return (int) function(AMX, FunctionDescriptor.of(ValueLayout.JAVA_INT))
                            .invokeExact()
                    != 0;
        } catch (RuntimeException | Error e) {
            throw e;
        } catch (Throwable e) {
            throw new IllegalStateException(e);
        }
    }

    private static MethodHandle function(String name, FunctionDescriptor signature) throws IOException {
        var found = SymbolLookup.loaderLookup()
                .find(name)
                .orElseThrow(() -> new IOException("it is of another version: it has no function " + name));
        return Linker.nativeLinker().downcallHandle(found, signature);
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
