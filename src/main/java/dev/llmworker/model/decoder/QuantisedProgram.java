package dev.llmworker.model.decoder;

import ai.djl.Device;
import dev.llmworker.model.ModelConfig;
import dev.llmworker.model.Precision;
import dev.llmworker.weights.StoredModel;
import dev.llmworker.weights.Tensor;
import dev.llmworker.weights.TensorType;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// The program for CPUs with libtorch's operators. Each matrix has the layout that is fastest on the machine;
/// weights stay quantised if it can multiply them.
final class QuantisedProgram implements DecoderProgram {
    private static final long LONE_CACHE_BYTES = 128L << 20;
    /// In longer contexts, reading half the bytes saves more than a bfloat16 product costs to start.
    private static final int MAX_LONE_LENGTH = 1024;
    /// The int4 kernel works on 64 rows at a time.
    private static final int INT4_ROWS = 64;

    private final ExportedProgram exported;
    /// Whether the machine has [WeightLayout#PACKED_BF16].
    private final boolean packs;
    /// Whether it has [WeightLayout#INT4] and [WeightLayout#INT4_PAIR].
    private final boolean int4;

    private @Nullable Bf16Copy copy;

    QuantisedProgram(ExportedProgram exported) {
        this.exported = exported;
        packs = exported.test("packing_available");
        int4 = exported.test("int4_available");
    }

    @Override
    public ExportedProgram exported() {
        return exported;
    }

    @Override
    public int loneLength(ModelConfig config, Precision cache, int contextLength, boolean deterministic) {
        if (cache == Precision.FP32 || deterministic) {
            return 0;
        }
        var affordable = LONE_CACHE_BYTES / config.cacheBytesPerToken(contextLength, Precision.FP32.bytes());
        return (int) Math.min(affordable, Math.min(contextLength, MAX_LONE_LENGTH));
    }

    /// The fastest layout that holds the parts exactly; bfloat16 if none does.
    @Override
    public WeightLayout fewRows(List<Tensor> parts, Precision weights) {
        var whole = parts.stream().allMatch(part -> part.rows() % INT4_ROWS == 0);
        if (weights == Precision.AUTO && int4 && whole) {
            if (parts.stream().allMatch(part -> isFourBit(part.type()))) {
                return WeightLayout.INT4;
            }
            if (parts.stream().allMatch(part -> isPairOfFourBits(part.type()))) {
                return WeightLayout.INT4_PAIR;
            }
        }
        return packs && weights != Precision.FP32 ? WeightLayout.PACKED_BF16 : WeightLayout.DENSE;
    }

    @Override
    public WeightLayout manyRows(WeightLayout few, Precision weights, boolean copyFits) {
        return copyFits && packs && weights == Precision.AUTO ? WeightLayout.PACKED_BF16 : few;
    }

    @Override
    public String weightFormat(Precision weights, TensorType type) {
        if (weights != Precision.AUTO) {
            return weights.inLowerCase();
        }
        var unquantised = packs ? "bf16" : "fp32";
        return switch (type) {
            case Q4_0, Q4_1, Q4_K -> int4 ? "int4" : unquantised;
            case Q5_0, Q5_1, Q5_K -> int4 ? "int5" : unquantised;
            case Q8_0 -> int4 ? "int8" : unquantised;
            case Q6_K, MXFP4, F16, BF16, F32 -> unquantised;
        };
    }

    private static boolean isFourBit(TensorType type) {
        return switch (type) {
            case Q4_0, Q4_1, Q4_K -> true;
            case Q5_0, Q5_1, Q8_0, Q5_K, Q6_K, MXFP4, F16, BF16, F32 -> false;
        };
    }

    /// Not Q6_K: the kernel has a scale for each 32 elements, Q6_K one for each 16.
    private static boolean isPairOfFourBits(TensorType type) {
        return switch (type) {
            case Q5_0, Q5_1, Q8_0, Q5_K -> true;
            case Q4_0, Q4_1, Q4_K, Q6_K, MXFP4, F16, BF16, F32 -> false;
        };
    }

    @Override
    public void loaded(StoredModel model, Device device, boolean deterministic) {
        copy = Bf16Copy.of(this, deterministic);
    }

    @Override
    public void beforePrompt(int tokens, boolean alone) {
        if (copy != null) {
            copy.beforePrompt(tokens, alone);
        }
    }

    @Override
    public void afterStep(int rows) {
        if (copy != null) {
            copy.afterStep(rows);
        }
    }

    @Override
    public void rest() {
        if (copy != null) {
            copy.release();
        }
    }

    /// The memory that the whole copy in bfloat16 takes, rounded up.
    long packsMegabytes() {
        return exported.integer("packs_megabytes");
    }

    /// Announces that [#pack] will be called between other calls.
    ///
    /// @param longChunk shorter chunks in slot 0 do not use the copy
    void packLate(int longChunk) {
        exported.run("pack_late", longChunk);
    }

    /// Makes about `elements` more of the copy.
    ///
    /// @return whether there is more to do
    boolean pack(long elements) {
        return exported.test("pack", elements);
    }

    /// Drops the copy.
    void unpack() {
        exported.run("unpack");
    }
}
