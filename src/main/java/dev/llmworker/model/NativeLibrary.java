package dev.llmworker.model;

import ai.djl.util.Utils;
import dev.llmworker.model.device.CpuFeatures;
import java.io.IOException;
import java.io.InputStream;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.SymbolLookup;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import java.util.zip.CRC32;
import org.jspecify.annotations.Nullable;

/// The operators in C++ (`src/main/native`). The process loads them once, after libtorch.
///
/// Threading: any thread.
public final class NativeLibrary {
    /// The library's file, or a folder of libraries. If it is not set, the library comes from the worker's jar.
    private static final String FILE = "WORKER_NATIVE_LIBRARY";

    /// Of the names of libraries; what follows says for which machine they are.
    private static final String PREFIX = "libllmworker-";

    /// The CPU features that the library for x86-64 is compiled for.
    private static final Set<String> AVX2 = Set.of("avx2", "fma", "f16c");

    /// Those that the faster library needs besides.
    private static final Set<String> AVX512 = Set.of("avx512f", "avx512bw", "avx512vl", "avx512dq", "avx512_vnni");

    /// `int32_t llmworker_register(char* message, uint64_t size)`, see `ops.cpp`.
    private static final String REGISTER = "llmworker_register";

    /// `int32_t llmworker_amx_is_usable()`.
    private static final String AMX = "llmworker_amx_is_usable";

    private static final int MESSAGE_BYTES = 512;

    private static volatile String checksum = "";

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

    /// The checksum of the library; empty while it is not loaded. Another build may round otherwise.
    public static String checksum() {
        return checksum;
    }

    /// Nobody gains by a collision. A start has no compiled SHA-256 yet, and would take 0.1 s for it.
    private static String checksum(byte[] bytes) {
        var crc = new CRC32();
        crc.update(bytes);
        return Long.toHexString(crc.getValue()) + "-" + bytes.length;
    }

    private static Optional<String> load() {
        try {
            var names = names(System.getProperty("os.name"), System.getProperty("os.arch"), CpuFeatures.read());
            var place = Utils.getEnvOrSystemProperty(FILE);
            if (place == null) {
                loadFromJar(names);
            } else {
                var file = fileOf(Path.of(place), names);
                System.load(file.toString());
                checksum = checksum(Files.readAllBytes(file));
            }
            register();
            return Optional.empty();
        } catch (IOException e) {
            return Optional.of(String.valueOf(e.getMessage()));
        } catch (UnsatisfiedLinkError e) {
            return Optional.of("it cannot be loaded: " + e.getMessage());
        }
    }

    /// The names of libraries that run on a machine, fastest first, as `build.sh` makes them.
    ///
    /// @param system Java's name of it
    /// @param features of the processor, by Linux's names
    static List<String> names(String system, String processor, Set<String> features) {
        var isMac = system.startsWith("Mac");
        var target = (isMac ? "macos" : system.toLowerCase(Locale.ROOT)) + "-"
                + (processor.equals("amd64") ? "x86_64" : processor);
        var targets = new ArrayList<String>();
        if (processor.equals("amd64") && features.containsAll(AVX2) && features.containsAll(AVX512)) {
            targets.add(target + "-avx512");
        }
        if (processor.equals("aarch64") || (processor.equals("amd64") && features.containsAll(AVX2))) {
            targets.add(target);
        }
        targets.add(target + "-portable");
        return targets.stream()
                .map(one -> PREFIX + one + (isMac ? ".dylib" : ".so"))
                .toList();
    }

    /// @throws IOException if a folder has no library for this machine, or if the name of a file says that it is for
    ///     another one
    static Path fileOf(Path place, List<String> names) throws IOException {
        if (!Files.isDirectory(place)) {
            var name = String.valueOf(place.getFileName());
            if (name.startsWith(PREFIX) && !names.contains(name)) {
                throw new IOException(place + " is not for this machine, which takes " + String.join(" or ", names));
            }
            return place;
        }
        for (var name : names) {
            if (Files.exists(place.resolve(name))) {
                return place.resolve(name).toAbsolutePath();
            }
        }
        throw new IOException(place + " has no " + String.join(" and no ", names));
    }

    private static void loadFromJar(List<String> names) throws IOException {
        for (var name : names) {
            try (var library = NativeLibrary.class.getResourceAsStream(name)) {
                if (library != null) {
                    load(library);
                    return;
                }
            }
        }
        throw new IOException(
                "the worker was built without " + String.join(" and without ", names) + ": no C++ compiler was found");
    }

    private static void load(InputStream library) throws IOException {
        var copy = Files.createTempFile("llmworker", ".so");
        try {
            var bytes = library.readAllBytes();
            Files.write(copy, bytes);
            System.load(copy.toString());
            checksum = checksum(bytes);
        } finally {
            // The loaded library stays mapped without its file.
            Files.delete(copy);
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
    /// must be loaded.
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
}
