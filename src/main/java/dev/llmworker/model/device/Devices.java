package dev.llmworker.model.device;

import ai.djl.Device;
import ai.djl.engine.Engine;
import ai.djl.engine.EngineException;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.util.Utils;
import ai.djl.util.cuda.CudaUtils;
import dev.llmworker.stats.Count;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Translates the names of devices between the options, the decoder programs and DJL.
public final class Devices {
    private static final Logger LOG = LoggerFactory.getLogger(Devices.class);

    /// The build of libtorch to load, as DJL names it: `cpu`, `cu128`. A container image sets it.
    private static final String FLAVOR = "PYTORCH_FLAVOR";
    /// NVIDIA's compute capability from which GPUs multiply bfloat16: Ampere.
    private static final int BFLOAT16_CAPABILITY = 80;

    private Devices() {}

    /// @param name `cpu`, `cuda:1`, `cuda` for the first GPU, or `auto` for the first GPU or else the CPU
    public static Device of(String name) {
        var gpus = name.equals("cpu") ? 0 : Engine.getEngine("PyTorch").getGpuCount();
        var flavor = Utils.getEnvOrSystemProperty(FLAVOR);
        var device = choose(name, gpus, flavor, gpus == 0 ? CudaDriver::problem : () -> "");
        var problem = device.isGpu() ? problem(device) : null;
        if (problem == null) {
            return device;
        }
        return withoutGpu(name, flavor, problem);
    }

    /// Whether this name can only mean a GPU, on this machine.
    public static boolean isGpuMeant(String name) {
        return name.equals("auto") ? isForGpus(Utils.getEnvOrSystemProperty(FLAVOR)) : !name.equals("cpu");
    }

    /// @param gpus how many libtorch sees
    /// @param flavor the build of libtorch that was asked for; null for the one that fits the machine
    /// @param driver says why there is none; empty if that is not known
    static Device choose(String name, int gpus, @Nullable String flavor, Supplier<String> driver) {
        if (name.equals("auto") && gpus == 0 && isForGpus(flavor)) {
            var why = driver.get();
            // A CPU would serve too, but at a hundredth of the speed.
            throw new IllegalArgumentException("libtorch is the one for NVIDIA GPUs (" + flavor
                    + ") and sees no GPU here" + (why.isEmpty() ? "" : ": " + why)
                    + "; give the container one (docker run --gpus all, and a driver on the host), or set DEVICE=cpu to"
                    + " serve without");
        }
        if (name.equals("cpu") || (name.equals("auto") && gpus == 0)) {
            return Device.cpu();
        }
        var index = name.equals("auto") || name.equals("cuda") ? "0" : name.replaceFirst("^cuda:", "");
        if (!index.matches("\\d{1,3}")) {
            throw new IllegalArgumentException("device is " + name + "; it can be auto, cpu, cuda:0 and so on");
        }
        if (Integer.parseInt(index) >= gpus) {
            var why = gpus == 0 ? driver.get() : "";
            throw new IllegalArgumentException("device is " + name + "; libtorch sees " + Count.of(gpus, "GPU")
                    + " here" + (why.isEmpty() ? "" : ": " + why));
        }
        return Device.gpu(Integer.parseInt(index));
    }

    /// The device to use if libtorch cannot use the GPU. It is the CPU if nobody asked for the GPU, for instance
    /// on a laptop with libtorch's build for CPUs.
    public static Device withoutGpu(String name, @Nullable String flavor, String problem) {
        if (name.equals("auto") && !isForGpus(flavor)) {
            LOG.info("the GPU is left alone: {}", problem);
            return Device.cpu();
        }
        throw new IllegalArgumentException("device is " + name + " and libtorch cannot use it: " + problem);
    }

    private static boolean isForGpus(@Nullable String flavor) {
        return flavor != null && flavor.startsWith("cu");
    }

    /// Why libtorch cannot compute on a GPU: it has no CUDA, it has no kernels for this GPU, or the memory is taken.
    /// Null if a kernel ran and gave the right result. DJL itself only asks the driver.
    private static @Nullable String problem(Device gpu) {
        try (var manager = NDManager.newBaseManager(gpu, "PyTorch");
                var ones = manager.ones(new Shape(2), DataType.FLOAT32)) {
            if (!ones.getDevice().equals(gpu)) {
                return "tensors for it are on " + name(ones.getDevice());
            }
            return ones.sum().getFloat() == 2 ? null : "a sum on it is wrong";
        } catch (EngineException | UnsupportedOperationException e) {
            var message = String.valueOf(e.getMessage()).lines().findFirst().orElse(e.toString());
            return message + withoutKernels(message, () -> CudaUtils.getComputeCapability(gpu.getDeviceId()));
        }
    }

    /// Names the cards if libtorch has no kernels for this one.
    static String withoutKernels(String message, Supplier<String> capability) {
        return message.contains("no kernel image")
                ? " (its compute capability is " + point(capability.get())
                        + "; libtorch 2.7.1 for CUDA 12.6 has kernels for 5.0 to 9.0, not for Blackwell: RTX 50, RTX PRO"
                        + " 6000, B200)"
                : "";
    }

    /// @param capability without a point: `75`, `120`
    static String point(String capability) {
        var last = capability.length() - 1;
        return capability.substring(0, last) + "." + capability.substring(last);
    }

    /// The name that the decoder programs use.
    public static String name(Device device) {
        return device.isGpu() ? "cuda:" + device.getDeviceId() : "cpu";
    }

    /// The fastest number format of a device that is precise enough.
    public static Precision fastest(Device device) {
        return device.isGpu() ? fastest(CudaUtils.getComputeCapability(device.getDeviceId())) : Precision.BF16;
    }

    /// @param capability major and minor number of the compute capability without a point: `75`, `120`
    public static Precision fastest(String capability) {
        return Integer.parseInt(capability) >= BFLOAT16_CAPABILITY ? Precision.BF16 : Precision.FP16;
    }
}
