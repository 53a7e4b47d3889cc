package dev.llmworker.model.device;

import ai.djl.Device;
import ai.djl.util.cuda.CudaUtils;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.SymbolLookup;
import java.lang.foreign.ValueLayout;
import java.util.Locale;

/// Describes a device in words.
public final class DeviceDescription {
    private static final int NAME_BYTES = 256;

    private DeviceDescription() {}

    /// @param device as `DecoderDescription.device()` names it
    public static String of(String device) {
        if (device.equals("cpu")) {
            var cores = Runtime.getRuntime().availableProcessors();
            return String.format(
                    Locale.ROOT,
                    "CPU, %d cores, %.1f GB",
                    cores,
                    DeviceMemory.of(Device.cpu()).total() / 1e9);
        }
        var index = Integer.parseInt(device.replaceFirst("cuda:", ""));
        var memory = CudaUtils.getGpuMemory(Device.gpu(index));
        var capability = CudaUtils.getComputeCapability(index);
        return String.format(
                Locale.ROOT,
                "%s, compute capability %s, %.1f GB, of which %.1f GB are free",
                gpuName(index),
                Devices.point(capability),
                memory.getMax() / 1e9,
                (memory.getMax() - memory.getUsed()) / 1e9);
    }

    /// The GPU's name, from NVIDIA's driver. DJL has no method for it.
    static String gpuName(int index) {
        var nameType = FunctionDescriptor.of(
                ValueLayout.JAVA_INT, ValueLayout.ADDRESS, ValueLayout.JAVA_INT, ValueLayout.JAVA_INT);
        var initType = FunctionDescriptor.of(ValueLayout.JAVA_INT, ValueLayout.JAVA_INT);
        try (var arena = Arena.ofConfined()) {
            var driver = SymbolLookup.libraryLookup("libcuda.so.1", arena);
            var linker = Linker.nativeLinker();
            int initialised = (int) linker.downcallHandle(driver.findOrThrow("cuInit"), initType)
                    .invokeExact(0);
            var name = arena.allocate(NAME_BYTES);
            int named = (int) linker.downcallHandle(driver.findOrThrow("cuDeviceGetName"), nameType)
                    .invokeExact(name, NAME_BYTES, index);
            return initialised == 0 && named == 0 ? name.getString(0) : "a GPU that the driver does not name";
        } catch (Throwable e) {
            // The name is only printed.
            return "a GPU whose driver cannot be asked (" + e.getMessage() + ")";
        }
    }
}
