package dev.llmworker.model.decoder;

import ai.djl.Device;
import dev.llmworker.model.DecoderOptions;
import dev.llmworker.model.Devices;
import dev.llmworker.model.Precision;
import dev.llmworker.weights.StoredModel;
import dev.llmworker.weights.Tensor;
import java.util.List;

/// The program for GPUs. All matrices are dense and of one format. The tests run it on a CPU too.
record DenseProgram(ExportedProgram exported) implements DecoderProgram {
    /// The program has a position that nothing reads, and its attention reads whole pieces of 64.
    private static final int SPARE_TOKENS = 64;

    @Override
    public Precision weights(DecoderOptions options, Device device) {
        return options.weights() == Precision.AUTO ? Devices.fastest(device) : options.weights();
    }

    @Override
    public int spareTokens() {
        return SPARE_TOKENS;
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
