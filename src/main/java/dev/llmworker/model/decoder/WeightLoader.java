package dev.llmworker.model.decoder;

import dev.llmworker.model.Attention;
import dev.llmworker.model.Attention.HeadNorm;
import dev.llmworker.model.DeltaNet;
import dev.llmworker.model.FeedForward;
import dev.llmworker.model.FeedForward.Experts;
import dev.llmworker.model.LayerTensors;
import dev.llmworker.model.ModelConfig;
import dev.llmworker.model.Precision;
import dev.llmworker.model.TensorCheck;
import dev.llmworker.weights.ModelFileException;
import dev.llmworker.weights.StoredModel;
import dev.llmworker.weights.Tensor;
import java.lang.foreign.Arena;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.function.LongConsumer;

/// Puts a model's tensors into a decoder program. Each is checked and repacked straight from the mapped file.
final class WeightLoader {
    private static final String EMBEDDING = "token_embd.weight";
    private static final String OWN_HEAD = "output.weight";
    /// The layer of the last matrix, which makes logits.
    private static final int HEAD = -1;
    /// The bfloat16 copy for many rows may take at most a quarter of the memory.
    private static final int MANY_ROWS_MEMORY_SHARE = 4;

    private final StoredModel model;
    private final ModelConfig config;
    private final DecoderProgram program;
    private final Precision weights;
    private final LongConsumer progress;
    private final boolean copyFits;
    private final Set<String> counted = new HashSet<>();
    private long bytesDone;

    /// @param memory of the device, in bytes
    /// @param progress is given the bytes of the file that are loaded, after each tensor
    WeightLoader(
            StoredModel model,
            ModelConfig config,
            DecoderProgram program,
            Precision weights,
            long memory,
            LongConsumer progress) {
        this.model = model;
        this.config = config;
        this.program = program;
        this.weights = weights;
        this.progress = progress;
        var elements =
                model.tensors().values().stream().mapToLong(Tensor::elements).sum();
        copyFits = elements * Precision.BF16.bytes() <= memory / MANY_ROWS_MEMORY_SHARE;
    }

    /// @throws InterruptedException if the thread was interrupted; checked between tensors
    void load() throws ModelFileException, InterruptedException {
        TensorCheck.allKnown(model, config);
        TensorCheck.allThere(model, config);
        var embedding = model.tensor(EMBEDDING);
        if (!embedsByHead(embedding)) {
            program.putEmbedding(MatrixParts.pieces(embedding), embedding.type(), config.vocabulary());
            done(List.of(embedding));
        }
        for (var layer = 0; layer < config.layers().size(); layer++) {
            putLayer(layer);
        }
        var norm = List.of(model.tensor("output_norm.weight"));
        checkFinite(norm);
        program.putOutputNorm(norm.getFirst());
        done(norm);
        // A model without a head of its own uses the embedding.
        putMatrix(HEAD, "head", model.tensor(hasOwnHead() ? OWN_HEAD : EMBEDDING));
    }

    private void putLayer(int index) throws ModelFileException, InterruptedException {
        var layer = config.layers().get(index);
        var tensors = LayerTensors.of(model, config, index);
        if (layer.norms().before()) {
            putVectors(index, "attention_norm", tensors, "attn_norm.weight");
            putVectors(index, "feed_forward_norm", tensors, tensors.feedForwardNorm());
        }
        if (layer.norms().after()) {
            putVectors(index, "attention_post_norm", tensors, "post_attention_norm.weight");
            putVectors(index, "feed_forward_post_norm", tensors, "post_ffw_norm.weight");
        }
        switch (layer.mixer()) {
            case Attention attention -> putAttention(index, attention, tensors);
            case DeltaNet delta -> putDelta(index, delta, tensors);
        }
        var block = layer.feedForward();
        if (block.experts() != null) {
            putExperts(index, block, block.experts(), tensors);
            return;
        }
        if (tensors.joinedFeedForward()) {
            putMatrix(index, "gate_up", tensor(tensors, "ffn_up.weight"));
        } else {
            putMatrix(index, "gate_up", tensor(tensors, "ffn_gate.weight"), tensor(tensors, "ffn_up.weight"));
        }
        putMatrix(index, "down", tensor(tensors, "ffn_down.weight"));
        if (block.biased()) {
            putVectors(index, "gate_up_bias", tensors, "ffn_gate.bias", "ffn_up.bias");
            putVectors(index, "down_bias", tensors, "ffn_down.bias");
        }
    }

    private boolean hasOwnHead() {
        return model.tensors().containsKey(OWN_HEAD);
    }

    /// Whether the program looks tokens up in the head, and has no embedding.
    private boolean embedsByHead(Tensor embedding) {
        return !hasOwnHead() && program.embedsByHead(embedding.type());
    }

    /// What the weights will take on the device, in bytes.
    long bytesNeeded() throws ModelFileException {
        var tied = !hasOwnHead();
        var embedding = model.tensor(EMBEDDING);
        var needed = embedsByHead(embedding) ? 0 : program.embeddingBytes(embedding, dense());
        for (var entry : model.tensors().entrySet()) {
            var tensor = entry.getValue();
            if (tensor.rows() == 1) {
                needed += tensor.elements() * Precision.FP32.bytes();
            } else if (tied || !entry.getKey().equals(EMBEDDING)) {
                needed += held(tensor);
            }
        }
        return needed;
    }

    /// Queries, keys and values: one matrix. Its rows, and what is added to or multiplied with its results, are in the
    /// order that the rotary positions need.
    private void putAttention(int layer, Attention attention, LayerTensors tensors)
            throws ModelFileException, InterruptedException {
        try (var arena = Arena.ofConfined()) {
            var ordered = new HeadOrder(attention, arena);
            if (tensors.joinedAttention()) {
                putMatrix(layer, "qkv", ordered.joined(tensor(tensors, "attn_qkv.weight")));
            } else if (attention.gated()) {
                putMatrix(
                        layer,
                        "qkv",
                        ordered.heads(ordered.queries(tensor(tensors, "attn_q.weight"))),
                        ordered.heads(tensor(tensors, "attn_k.weight")),
                        tensor(tensors, "attn_v.weight"),
                        ordered.gates(tensor(tensors, "attn_q.weight")));
            } else {
                putMatrix(
                        layer,
                        "qkv",
                        ordered.heads(tensor(tensors, "attn_q.weight")),
                        ordered.heads(tensor(tensors, "attn_k.weight")),
                        tensor(tensors, "attn_v.weight"));
            }
            if (attention.biased() && tensors.joinedAttention()) {
                putVectors(layer, "qkv_bias", List.of(ordered.joined(tensor(tensors, "attn_qkv.bias"))));
            } else if (attention.biased() && attention.gated()) {
                putVectors(
                        layer,
                        "qkv_bias",
                        List.of(
                                ordered.heads(ordered.queries(tensor(tensors, "attn_q.bias"))),
                                ordered.heads(tensor(tensors, "attn_k.bias")),
                                tensor(tensors, "attn_v.bias"),
                                ordered.gates(tensor(tensors, "attn_q.bias"))));
            } else if (attention.biased()) {
                putVectors(
                        layer,
                        "qkv_bias",
                        List.of(
                                ordered.heads(tensor(tensors, "attn_q.bias")),
                                ordered.heads(tensor(tensors, "attn_k.bias")),
                                tensor(tensors, "attn_v.bias")));
            }
            if (attention.norm() != HeadNorm.NONE) {
                putVectors(
                        layer,
                        "head_norms",
                        List.of(
                                ordered.heads(tensor(tensors, "attn_q_norm.weight")),
                                ordered.heads(tensor(tensors, "attn_k_norm.weight"))));
            }
        }
        if (attention.sinks()) {
            putVectors(layer, "sinks", tensors, "attn_sinks.weight");
        }
        putMatrix(layer, "attention_output", tensor(tensors, "attn_output.weight"));
        if (attention.outputBiased()) {
            putVectors(layer, "attention_output_bias", tensors, "attn_output.bias");
        }
    }

    /// All that the input is multiplied with is one matrix: queries, keys, values, gates, and what writing and
    /// fading depend on.
    private void putDelta(int layer, DeltaNet delta, LayerTensors tensors)
            throws ModelFileException, InterruptedException {
        putMatrix(
                layer,
                "qkv",
                tensor(tensors, "attn_qkv.weight"),
                tensor(tensors, "attn_gate.weight"),
                tensor(tensors, "ssm_beta.weight"),
                tensor(tensors, "ssm_alpha.weight"));
        putVectors(layer, "convolution", tensors, "ssm_conv1d.weight");
        if (model.fromHub()) {
            putVectors(layer, "decay_logarithm", tensors, LayerTensors.DECAY_OF_HUB);
        } else {
            putVectors(layer, "decay", tensors, LayerTensors.DECAY);
        }
        putVectors(layer, "decay_bias", tensors, "ssm_dt.bias");
        putVectors(layer, "read_weights", tensors, "ssm_norm.weight");
        putMatrix(layer, "attention_output", tensor(tensors, "ssm_out.weight"));
    }

    private void putExperts(int layer, FeedForward block, Experts experts, LayerTensors tensors)
            throws ModelFileException, InterruptedException {
        putMatrix(layer, "router", tensor(tensors, "ffn_gate_inp.weight"));
        if (experts.routerBiased()) {
            putVectors(layer, "router_bias", tensors, "ffn_gate_inp.bias");
        }
        for (var expert = 0; expert < experts.count(); expert++) {
            try (var arena = Arena.ofConfined()) {
                var matrices = new ExpertMatrices(model, tensors, arena);
                putMatrix(layer, "gate_up", matrices.gateUp(expert).toArray(Tensor[]::new));
                putMatrix(layer, "down", matrices.down(expert));
            }
        }
        if (experts.sharedWidth() > 0) {
            putVectors(layer, "shared_gate", tensors, "ffn_gate_inp_shexp.weight");
            putMatrix(
                    layer,
                    "shared_gate_up",
                    tensor(tensors, "ffn_gate_shexp.weight"),
                    tensor(tensors, "ffn_up_shexp.weight"));
            putMatrix(layer, "shared_down", tensor(tensors, "ffn_down_shexp.weight"));
        }
        if (block.biased()) {
            try (var arena = Arena.ofConfined()) {
                var matrices = new ExpertMatrices(model, tensors, arena);
                putVectors(layer, "gate_up_bias", matrices.gateUpBiases());
            }
            putVectors(layer, "down_bias", tensors, "ffn_down_exps.bias");
        }
    }

    private Tensor tensor(LayerTensors tensors, String part) throws ModelFileException {
        return model.tensor(tensors.block() + part);
    }

    private void putVectors(int layer, String role, LayerTensors tensors, String... parts)
            throws ModelFileException, InterruptedException {
        var vectors = new ArrayList<Tensor>();
        for (var part : parts) {
            vectors.add(tensor(tensors, part));
        }
        putVectors(layer, role, vectors);
    }

    private void putVectors(int layer, String role, List<Tensor> vectors)
            throws ModelFileException, InterruptedException {
        checkFinite(vectors);
        program.putVector(layer, role, vectors);
        done(vectors);
    }

    private void putMatrix(int layer, String role, Tensor... tensors) throws ModelFileException, InterruptedException {
        var parts = List.of(tensors);
        checkFinite(parts);
        var few = program.fewRows(parts, weights);
        program.putMatrix(layer, role, MatrixParts.of(parts), few, program.manyRows(few, weights, copyFits));
        done(parts);
    }

    /// Vectors are F32, F16 or BF16, of which a program checks none itself.
    private void checkFinite(List<Tensor> tensors) throws ModelFileException {
        for (var tensor : tensors) {
            if (!program.checksFinite(tensor.type())) {
                tensor.checkFinite();
            }
        }
    }

    private long held(Tensor matrix) {
        var few = program.fewRows(List.of(matrix), weights);
        var many = program.manyRows(few, weights, copyFits);
        return few.bytes(matrix, dense()) + (many == few ? 0 : many.bytes(matrix, dense()));
    }

    private Precision dense() {
        return weights == Precision.AUTO ? Precision.FP32 : weights;
    }

    private void done(List<Tensor> tensors) throws InterruptedException {
        for (var tensor : tensors) {
            // A tied head is the embedding again, and is counted once.
            if (counted.add(tensor.name())) {
                bytesDone += tensor.data().byteSize();
            }
        }
        progress.accept(bytesDone);
        if (Thread.interrupted()) {
            throw new InterruptedException("interrupted while the weights were loaded");
        }
    }
}
