package dev.llmworker.model.decoder;

import ai.djl.Device;
import dev.llmworker.model.Attention;
import dev.llmworker.model.DecoderOptions;
import dev.llmworker.model.DeltaNet;
import dev.llmworker.model.Kernels;
import dev.llmworker.model.ModelConfig;
import dev.llmworker.model.NativeLibrary;
import dev.llmworker.model.device.Precision;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Which program decodes a model.
final class ProgramChoice {
    private static final Logger LOG = LoggerFactory.getLogger(ProgramChoice.class);
    /// The native operators process this many values of a head at once.
    private static final int NATIVE_HEAD_MULTIPLE = 8;

    private ProgramChoice() {}

    /// @throws IllegalArgumentException if native kernels, or a cache that only they have, are asked for and cannot run
    static ProgramKind of(ModelConfig config, DecoderOptions options, Device device) throws InterruptedException {
        var torch = device.isGpu() || !config.isPlain() ? ProgramKind.DENSE : ProgramKind.QUANTISED;
        if (options.kernels() == Kernels.TORCH) {
            checkCache(options, "KERNELS is torch");
            return torch;
        }
        var problem = nativeProblem(config, options, device);
        if (problem == null) {
            return options.cache() != Precision.Q8
                            && config.isPlain()
                            && isTorchFaster(options, NativeLibrary.isAmxUsable())
                    ? torch
                    : ProgramKind.NATIVE;
        }
        if (options.kernels() == Kernels.NATIVE) {
            throw new IllegalArgumentException("KERNELS is native, which cannot be: " + problem);
        }
        checkCache(options, problem);
        if (!device.isGpu() && options.weights() == Precision.AUTO) {
            LOG.warn("decoding without the native library, more slowly: {}", problem);
        }
        return torch;
    }

    /// @param problem why the program is not native
    private static void checkCache(DecoderOptions options, String problem) {
        if (options.cache() == Precision.Q8) {
            throw new IllegalArgumentException(
                    "KV_CACHE_DTYPE is q8, which only native kernels have, and they cannot be used: " + problem);
        }
    }

    /// With AMX libtorch runs prompts faster than the native library, which has no code for it. Without AMX it
    /// decodes up to half as fast: docs/decisions/0012 has the measurements. Deterministic mode costs libtorch more
    /// than AMX gains.
    static boolean isTorchFaster(DecoderOptions options, boolean hasAmx) {
        return options.kernels() == Kernels.AUTO && !options.deterministic() && hasAmx;
    }

    private static @Nullable String nativeProblem(ModelConfig config, DecoderOptions options, Device device)
            throws InterruptedException {
        if (device.isGpu()) {
            return "it is for CPUs";
        }
        if (options.weights() != Precision.AUTO) {
            return "it takes weights as they are stored (DTYPE=auto)";
        }
        for (var layer : config.layers()) {
            var dims = switch (layer.mixer()) {
                case Attention attention -> new int[] {attention.headDim()};
                case DeltaNet delta -> new int[] {delta.keyDim(), delta.valueDim()};
            };
            for (var dim : dims) {
                if (dim % NATIVE_HEAD_MULTIPLE != 0) {
                    return "heads have " + dim + " values; it takes multiples of " + NATIVE_HEAD_MULTIPLE;
                }
            }
        }
        return NativeLibrary.problem();
    }
}
