package dev.llmworker.model;

import ai.djl.Device;
import dev.llmworker.weights.ModelFileException;
import dev.llmworker.weights.StoredModel;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Which program decodes a model.
final class ProgramChoice {
    private static final Logger LOG = LoggerFactory.getLogger(ProgramChoice.class);
    /// Values of a head that the native operators take side by side.
    private static final int NATIVE_HEAD_MULTIPLE = 8;

    /// With it libtorch multiplies bfloat16 faster than the native library, which has no code of its own for it, takes
    /// long prompts; what was measured: docs/decisions/0012.
    private static final String BFLOAT16_PRODUCTS = "avx512_bf16";

    private ProgramChoice() {}

    /// @return a resource, as [Program] takes it
    /// @throws IllegalArgumentException when native kernels are asked for and cannot be
    static String of(StoredModel model, DecoderOptions options, Device device)
            throws ModelFileException, InterruptedException {
        var torch = device.isGpu() ? Program.DENSE : Program.QUANTISED;
        if (options.kernels() == Kernels.TORCH || isTorchFaster(options, CpuFeatures.read())) {
            return torch;
        }
        var problem = nativeProblem(DecoderShape.of(model), options, device);
        if (problem == null) {
            return Program.NATIVE;
        }
        if (options.kernels() == Kernels.NATIVE) {
            throw new IllegalArgumentException("KERNELS is native, which cannot be: " + problem);
        }
        if (!device.isGpu() && options.weights() == Precision.AUTO) {
            LOG.warn("decoding without the native library, more slowly: {}", problem);
        }
        return torch;
    }

    /// Where the choice is ours. A text that must not depend on others costs libtorch more than it gains.
    static boolean isTorchFaster(DecoderOptions options, Set<String> cpu) {
        return options.kernels() == Kernels.AUTO && !options.deterministic() && cpu.contains(BFLOAT16_PRODUCTS);
    }

    private static @Nullable String nativeProblem(DecoderShape shape, DecoderOptions options, Device device)
            throws InterruptedException {
        if (device.isGpu()) {
            return "it is for CPUs";
        }
        if (options.weights() != Precision.AUTO) {
            return "it takes weights as they are stored (DTYPE=auto)";
        }
        if (shape.headDim() % NATIVE_HEAD_MULTIPLE != 0) {
            return "heads have " + shape.headDim() + " values; it takes multiples of " + NATIVE_HEAD_MULTIPLE;
        }
        return NativeLibrary.problem();
    }
}
