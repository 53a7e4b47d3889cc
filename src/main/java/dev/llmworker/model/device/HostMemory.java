package dev.llmworker.model.device;

import java.lang.foreign.AddressLayout;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import org.jspecify.annotations.Nullable;

/// A piece of main memory outside of Java's heap, from the C library. Java's own arenas would clear it, which takes as
/// long as to fill it, and would count it in `MaxDirectMemorySize`, which is as small as the heap.
///
/// Threading: one thread at a time.
public final class HostMemory implements AutoCloseable {
    private static final AddressLayout POINTER = ValueLayout.ADDRESS;
    private static final MethodHandle ALLOCATE =
            function("malloc", FunctionDescriptor.of(POINTER, ValueLayout.JAVA_LONG));
    private static final MethodHandle FREE = function("free", FunctionDescriptor.ofVoid(POINTER));

    private final MemorySegment segment;
    private boolean isFree;

    private HostMemory(MemorySegment segment) {
        this.segment = segment;
    }

    /// @param bytes at least 1
    /// @return null if there is no such memory
    @SuppressWarnings("restricted")
    public static @Nullable HostMemory allocate(long bytes) {
        var pointer = (MemorySegment) call(() -> (MemorySegment) ALLOCATE.invokeExact(bytes));
        return pointer == null || pointer.equals(MemorySegment.NULL)
                ? null
                : new HostMemory(pointer.reinterpret(bytes));
    }

    /// Its contents are undefined until they are written. It must not be used once it is closed.
    public MemorySegment segment() {
        return segment;
    }

    public long bytes() {
        return segment.byteSize();
    }

    @Override
    public void close() {
        if (!isFree) {
            isFree = true;
            call(() -> {
                FREE.invokeExact(segment);
                return null;
            });
        }
    }

    @SuppressWarnings("restricted")
    private static MethodHandle function(String name, FunctionDescriptor type) {
        var linker = Linker.nativeLinker();
        return linker.downcallHandle(linker.defaultLookup().findOrThrow(name), type);
    }

    private interface Call {
        @Nullable
        MemorySegment run() throws Throwable;
    }

    private static @Nullable MemorySegment call(Call call) {
        try {
            return call.run();
        } catch (RuntimeException | Error e) {
            throw e;
        } catch (Throwable e) {
            throw new IllegalStateException(e);
        }
    }
}
