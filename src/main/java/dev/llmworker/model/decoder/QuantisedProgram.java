package dev.llmworker.model.decoder;

import ai.djl.Device;
import dev.llmworker.model.ModelConfig;
import dev.llmworker.model.device.Precision;
import dev.llmworker.model.loading.WeightLayout;
import dev.llmworker.weights.StoredModel;
import dev.llmworker.weights.content.Tensor;
import dev.llmworker.weights.content.TensorType;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;

/// The program for CPUs with libtorch's operators. Each matrix has the layout that is fastest on the machine;
/// weights stay quantised if it can multiply them.
///
/// For many rows at once there is a packed bfloat16 copy of int4 weights. It is twice as fast there as int4, and three
/// times as large. A small model only has it while it is busy: it is made when a long prompt comes, or bit by bit
/// while large batches are decoded, and dropped when the worker rests. For a model of 135 million weights, making it
/// costs as much time as it saves over 250 prompt tokens.
///
/// A prompt that runs alone always uses the copy, and therefore gets the same text every time. A prompt beside
/// others uses what is there, and does not wait.
final class QuantisedProgram implements DecoderProgram {
    private static final long LONE_CACHE_BYTES = 128L << 20;
    /// In longer contexts, reading half the bytes saves more than a bfloat16 product costs to start.
    private static final int MAX_LONE_LENGTH = 1024;
    /// The int4 kernel works on 64 rows at a time.
    private static final int INT4_ROWS = 64;
    /// Up to this size, making the copy takes a fraction of a second.
    private static final int LATE_MEGABYTES = 1_000;
    /// Shorter chunks that run alone use int4: it takes up to 9 ms more for 31 tokens, but they need not wait for
    /// the copy.
    private static final int LONG_CHUNK = 32;
    /// Elements of the copy made between two decode steps, in less than a step's time.
    private static final long SLICE_ELEMENTS = 1;
    /// Types that [WeightLayout#INT4] holds exactly.
    private static final Set<TensorType> FOUR_BITS = EnumSet.of(TensorType.Q4_0, TensorType.Q4_1, TensorType.Q4_K);
    /// Those that [WeightLayout#INT4_PAIR] holds exactly. Not Q6_K: the kernel has a scale for each 32 elements, Q6_K
    /// one for each 16.
    private static final Set<TensorType> PAIRS_OF_FOUR_BITS =
            EnumSet.of(TensorType.Q5_0, TensorType.Q5_1, TensorType.Q8_0, TensorType.Q5_K);

    private final ExportedProgram exported;
    /// Whether the machine has [WeightLayout#PACKED_BF16].
    private final boolean packs;
    /// Whether it has [WeightLayout#INT4] and [WeightLayout#INT4_PAIR].
    private final boolean int4;

    /// Whether the copy is made only when it is wanted.
    private boolean isLate;
    private boolean isWanted;
    private boolean isComplete;

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
        var affordable = LONE_CACHE_BYTES / config.cacheBytesPerToken(contextLength, Precision.FP32);
        return (int) Math.min(affordable, Math.min(contextLength, MAX_LONE_LENGTH));
    }

    /// The fastest layout that holds the parts exactly; bfloat16 if none does.
    @Override
    public WeightLayout fewRows(List<Tensor> parts, Precision weights) {
        var whole = parts.stream().allMatch(part -> part.rows() % INT4_ROWS == 0);
        if (weights == Precision.AUTO && int4 && whole) {
            if (parts.stream().allMatch(part -> FOUR_BITS.contains(part.type()))) {
                return WeightLayout.INT4;
            }
            if (parts.stream().allMatch(part -> PAIRS_OF_FOUR_BITS.contains(part.type()))) {
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
        if (int4 && FOUR_BITS.contains(type)) {
            return "int4";
        }
        if (int4 && PAIRS_OF_FOUR_BITS.contains(type)) {
            return type == TensorType.Q8_0 ? "int8" : "int5";
        }
        return unquantised;
    }

    /// Makes the copy at once if that takes long, or if a text must never depend on what else runs.
    @Override
    public void loaded(StoredModel model, Device device, boolean deterministic) {
        var megabytes = exported.integer("packs_megabytes");
        isLate = !deterministic && megabytes > 0 && megabytes <= LATE_MEGABYTES;
        if (isLate) {
            exported.run("pack_late", LONG_CHUNK);
        } else {
            pack(Long.MAX_VALUE);
        }
    }

    @Override
    public void beforePrompt(int tokens, boolean alone) {
        if (isLate && tokens >= LONG_CHUNK) {
            isWanted = true;
            if (alone) {
                pack(Long.MAX_VALUE);
            }
        }
    }

    @Override
    public void afterStep(int rows) {
        isWanted |= rows >= WeightLayout.INT4.manyRowsFrom();
        if (isLate && isWanted) {
            pack(SLICE_ELEMENTS);
        }
    }

    @Override
    public void rest() {
        if (isLate && isWanted) {
            exported.run("unpack");
            isWanted = false;
            isComplete = false;
        }
    }

    /// Makes about `elements` more of the copy.
    private void pack(long elements) {
        if (!isComplete) {
            isComplete = !exported.test("pack", elements);
        }
    }
}
