package dev.llmworker.model.decoder;

import ai.djl.Device;
import dev.llmworker.model.CpuFeatures;
import dev.llmworker.model.DecoderOptions;
import dev.llmworker.model.Kernels;
import dev.llmworker.model.ModelConfig;
import dev.llmworker.model.NativeLibrary;
import dev.llmworker.model.Precision;
import dev.llmworker.weights.ModelFileException;
import dev.llmworker.weights.StoredModel;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Which program decodes a model.
final class ProgramChoice {
    private static final Logger LOG = LoggerFactory.getLogger(ProgramChoice.class);
    /// The native operators process this many values of a head at once.
    private static final int NATIVE_HEAD_MULTIPLE = 8;

    /// With it, libtorch multiplies bfloat16 faster than the native library, which has no code for it, runs long
    /// prompts. docs/decisions/0012 has the measurements.
    private static final String BFLOAT16_PRODUCTS = "avx512_bf16";

    private ProgramChoice() {}

    /// @throws IllegalArgumentException if native kernels are asked for and cannot run
    static ProgramKind of(StoredModel model, DecoderOptions options, Device device)
            throws ModelFileException, InterruptedException {
        var torch = device.isGpu() ? ProgramKind.DENSE : ProgramKind.QUANTISED;
        if (options.kernels() == Kernels.TORCH || isTorchFaster(options, CpuFeatures.read())) {
            return torch;
        }
        var problem = nativeProblem(ModelConfig.of(model), options, device);
        if (problem == null) {
            return ProgramKind.NATIVE;
        }
        if (options.kernels() == Kernels.NATIVE) {
            throw new IllegalArgumentException("KERNELS is native, which cannot be: " + problem);
        }
        if (!device.isGpu() && options.weights() == Precision.AUTO) {
            LOG.warn("decoding without the native library, more slowly: {}", problem);
        }
        return torch;
    }

    /// Only if the operator left the choice open. Deterministic mode costs libtorch more than it gains.
    static boolean isTorchFaster(DecoderOptions options, Set<String> cpu) {
        return options.kernels() == Kernels.AUTO && !options.deterministic() && cpu.contains(BFLOAT16_PRODUCTS);
    }

    private static @Nullable String nativeProblem(ModelConfig config, DecoderOptions options, Device device)
            throws InterruptedException {
        if (device.isGpu()) {
            return "it is for CPUs";
        }
        if (options.weights() != Precision.AUTO) {
            return "it takes weights as they are stored (DTYPE=auto)";
        }
        if (config.headDim() % NATIVE_HEAD_MULTIPLE != 0) {
            return "heads have " + config.headDim() + " values; it takes multiples of " + NATIVE_HEAD_MULTIPLE;
        }
        return NativeLibrary.problem();
    }
}
