package dev.llmworker.model.decoder;

import ai.djl.Device;
import dev.llmworker.model.DecoderOptions;
import dev.llmworker.model.Devices;
import dev.llmworker.model.ModelConfig;
import dev.llmworker.model.Precision;
import dev.llmworker.weights.StoredModel;
import dev.llmworker.weights.Tensor;
import java.util.List;
import java.util.Map;
import java.util.Objects;

/// The program for GPUs. All matrices are dense and of one format. The tests run it on a CPU too.
record DenseProgram(ExportedProgram exported) implements DecoderProgram {
    /// The program has a position that nothing reads, and its attention reads whole pieces of 64.
    private static final int SPARE_TOKENS = 64;
    /// Of each score that no kernel for attention computes: as it is, in float32, with sinks, its weight, and
    /// that in the cache's type.
    private static final int SCORE_BYTES = 5 * Float.BYTES;

    @Override
    public Precision weights(DecoderOptions options, Device device) {
        return options.weights() == Precision.AUTO ? Devices.fastest(device) : options.weights();
    }

    @Override
    public int spareTokens() {
        return SPARE_TOKENS;
    }

    @Override
    public long scratchPerToken(ModelConfig config, int slots, int promptRows, Precision cache) {
        var attentions = config.attentions().toList();
        var scores = attentions.stream()
                .filter(attention -> attention.sinks() || attention.cap() > 0)
                .mapToLong(attention -> attention.heads()
                        * (long) (attention.window() > 0 ? slots : Math.max(slots, promptRows))
                        * SCORE_BYTES)
                .max()
                .orElse(0);
        // One for each window and group of heads, and whether it is seen.
        var masks = attentions.stream()
                .map(attention -> List.of(attention.window(), attention.heads() / attention.kvHeads()))
                .distinct()
                .mapToLong(kind -> kind.getLast() * (long) (slots + promptRows) * (cache.bytes() + 1))
                .sum();
        // A cosine and a sine for each value of a head.
        var turns = attentions.stream()
                .filter(attention -> attention.rope() != null)
                .map(attention -> Map.entry(Objects.requireNonNull(attention.rope()), attention.headDim()))
                .distinct()
                .mapToLong(kind -> 2L * kind.getValue() * Float.BYTES)
                .sum();
        return scores + masks + turns;
    }

    @Override
    public WeightLayout fewRows(List<Tensor> parts, Precision weights) {
        return WeightLayout.DENSE;
    }

    @Override
    public long embeddingBytes(Tensor embedding, Precision dense) {
        return WeightLayout.DENSE.bytes(embedding, dense);
    }

    /// A model that is on the CPU by mistake gives the same results, only slowly. This check finds it.
    @Override
    public void loaded(StoredModel model, Device device, boolean deterministic) {
        var placement = exported.text("placement");
        if (!placement.equals(Devices.name(device))) {
            throw new IllegalStateException(
                    "libtorch put the model on " + placement + " and not on " + Devices.name(device));
        }
    }
}
