package dev.llmworker.model;

import ai.djl.Device;
import ai.djl.engine.Engine;
import ai.djl.util.cuda.CudaUtils;

/// Devices as options, the decoder program and DJL name them.
final class Devices {
    private Devices() {}

    /// @param name `cpu`, `cuda:1`, `cuda` for the first GPU, or `auto` for it or, without one, the CPU
    static Device of(String name) {
        var gpus = name.equals("cpu") ? 0 : Engine.getEngine("PyTorch").getGpuCount();
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
