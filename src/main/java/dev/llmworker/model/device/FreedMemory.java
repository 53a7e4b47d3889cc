package dev.llmworker.model.device;

import ai.djl.Device;
import ai.djl.pytorch.jni.JniUtils;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.ValueLayout;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Memory that libtorch has freed and its allocator or the C library keeps for later.
public final class FreedMemory {
    private static final Logger LOG = LoggerFactory.getLogger(FreedMemory.class);

    private FreedMemory() {}

    /// Gives it back to the device. On a CPU this needs glibc.
    ///
    /// @param device whose memory it is
    public static void giveBack(Device device) {
        if (device.isGpu()) {
            JniUtils.emptyCudaCache();
        } else {
            trim();
        }
    }

    @SuppressWarnings("restricted")
    private static void trim() {
        var linker = Linker.nativeLinker();
        var trim = linker.defaultLookup().find("malloc_trim");
        if (trim.isEmpty()) {
            return;
        }
        var type = FunctionDescriptor.of(ValueLayout.JAVA_INT, ValueLayout.JAVA_LONG);
        try {
            int _ = (int) linker.downcallHandle(trim.get(), type).invokeExact(0L);
        } catch (Throwable e) {
            LOG.warn("freed memory stays with the process: {}", e.toString());
        }
    }
}
