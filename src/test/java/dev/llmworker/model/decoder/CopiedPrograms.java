package dev.llmworker.model.decoder;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import ai.djl.Device;
import ai.djl.ndarray.NDManager;
import ai.djl.pytorch.engine.PtNDManager;
import ai.djl.pytorch.engine.PtSymbolBlock;
import java.io.IOException;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.invoke.MethodHandle;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import org.junit.platform.launcher.LauncherSession;
import org.junit.platform.launcher.LauncherSessionListener;

/// Loads each exported program once, and gives copies of it to the tests: libtorch takes a fifth of a second to compile
/// one, and the tests open more than 800. A copy shares the compiled methods, and has data of its own.
///
/// libtorch's method is called as Linux on x86-64 calls it. Elsewhere every program is loaded.
public final class CopiedPrograms implements LauncherSessionListener {
    private static final String DEEP_COPY = "_ZNK5torch3jit6Module8deepcopyESt8optionalIN3c106DeviceEE";
    /// What libtorch 2.7.1 has is `sizeof(torch::jit::Module)`.
    private static final long MODULE_BYTES = 48;

    private static final int SAME_DEVICE = 0;

    private final Map<String, PtSymbolBlock> loaded = new ConcurrentHashMap<>();

    @Override
    public void launcherSessionOpened(LauncherSession session) {
        if (System.getProperty("os.name").equals("Linux")
                && System.getProperty("os.arch").equals("amd64")) {
            ExportedProgram.openFrom(this::copy);
        }
    }

    private PtSymbolBlock copy(String file, PtNDManager manager) throws IOException {
        if (!manager.getDevice().equals(Device.cpu())) {
            return ExportedProgram.load(file, manager);
        }
        PtSymbolBlock original;
        synchronized (this) {
            original = loaded.get(file);
            if (original == null) {
                original = ExportedProgram.load(file, (PtNDManager) NDManager.newBaseManager(Device.cpu(), "PyTorch"));
                loaded.put(file, original);
            }
        }
        try {
            var copy = (MemorySegment) Calls.ALLOCATE.invokeExact(MODULE_BYTES);
            Calls.DEEP_COPY.invokeExact(copy, MemorySegment.ofAddress(original.getHandle()), SAME_DEVICE);
            return new PtSymbolBlock(manager, copy.address());
        } catch (Throwable e) {
            throw new IllegalStateException(e);
        }
    }

    /// Looked up when libtorch is loaded.
    private static final class Calls {
        static final MethodHandle ALLOCATE =
                handle(Linker.nativeLinker().defaultLookup(), "malloc", FunctionDescriptor.of(ADDRESS, JAVA_LONG));
        static final MethodHandle DEEP_COPY = handle(
                SymbolLookup.loaderLookup(),
                CopiedPrograms.DEEP_COPY,
                FunctionDescriptor.ofVoid(ADDRESS, ADDRESS, JAVA_INT));

        private static MethodHandle handle(SymbolLookup library, String name, FunctionDescriptor of) {
            return Linker.nativeLinker().downcallHandle(library.findOrThrow(name), of);
        }
    }
}
