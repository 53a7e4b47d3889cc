package dev.llmworker.model;

import ai.djl.Device;
import ai.djl.engine.Engine;
import ai.djl.util.Utils;
import ai.djl.util.cuda.CudaUtils;
import org.jspecify.annotations.Nullable;

/// Devices as options, the decoder program and DJL name them.
final class Devices {
    private Devices() {}

    /// The build of libtorch that is to be loaded, as DJL names it: `cpu`, `cu128`. An image sets it.
    private static final String FLAVOR = "PYTORCH_FLAVOR";

    /// @param name `cpu`, `cuda:1`, `cuda` for the first GPU, or `auto` for it or, without one, the CPU
    static Device of(String name) {
        var gpus = name.equals("cpu") ? 0 : Engine.getEngine("PyTorch").getGpuCount();
        return choose(name, gpus, Utils.getEnvOrSystemProperty(FLAVOR));
    }

    /// @param gpus how many libtorch sees
    /// @param flavor the build of libtorch that was asked for; null for whichever fits the machine
    static Device choose(String name, int gpus, @Nullable String flavor) {
        if (name.equals("auto") && gpus == 0 && flavor != null && flavor.startsWith("cu")) {
            // A CPU would serve too, at a hundredth of the speed that the GPU is paid for.
            throw new IllegalArgumentException("libtorch is the one for NVIDIA GPUs (" + flavor
                    + ") and sees no GPU here; give the container one (docker run --gpus all, and a driver on the"
                    + " host), or set DEVICE=cpu to serve without");
        }
        if (name.equals("cpu") || (name.equals("auto") && gpus == 0)) {
            return Device.cpu();
        }
        var index = name.equals("auto") || name.equals("cuda") ? "0" : name.replaceFirst("^cuda:", "");
        if (!index.matches("\\d{1,3}")) {
            throw new IllegalArgumentException("device is " + name + "; it can be auto, cpu, cuda:0 and so on");
        }
        if (Integer.parseInt(index) >= gpus) {
            throw new IllegalArgumentException("device is " + name + "; libtorch sees " + gpus + " GPUs here");
        }
        return Device.gpu(Integer.parseInt(index));
    }

    /// As the decoder program names it.
    static String name(Device device) {
        return device.isGpu() ? "cuda:" + device.getDeviceId() : "cpu";
    }

    static long memoryBytes(Device device) {
        return device.isGpu() ? CudaUtils.getGpuMemory(device).getMax() : Memory.ofMachine();
    }
}
