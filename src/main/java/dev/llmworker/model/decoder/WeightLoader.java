package dev.llmworker.model.decoder;

import dev.llmworker.model.ModelConfig;
import dev.llmworker.model.Precision;
import dev.llmworker.model.TensorCheck;
import dev.llmworker.weights.ModelFileException;
import dev.llmworker.weights.StoredModel;
import dev.llmworker.weights.Tensor;
import java.lang.foreign.Arena;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.function.LongConsumer;

/// Puts a model's tensors into a decoder program. Each is checked and repacked straight from the mapped file.
final class WeightLoader {
    private static final String EMBEDDING = "token_embd.weight";
    private static final String OWN_HEAD = "output.weight";
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
        for (var layer = 0; layer < config.layers(); layer++) {
            var block = "blk." + layer + ".";
            putNorm(block + "attn_norm.weight");
            putNorm(block + "ffn_norm.weight");
            putAttention(block);
            putMatrix(model.tensor(block + "attn_output.weight"));
            putMatrix(model.tensor(block + "ffn_gate.weight"), model.tensor(block + "ffn_up.weight"));
            putMatrix(model.tensor(block + "ffn_down.weight"));
        }
        putNorm("output_norm.weight");
        // A model without a head of its own uses the embedding.
        var head = List.of(model.tensor(hasOwnHead() ? OWN_HEAD : EMBEDDING));
        checkFinite(head);
        var few = program.fewRows(head, weights);
        program.putHead(MatrixParts.of(head), few, program.manyRows(few, weights, copyFits));
        done(head);
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

    /// Queries, keys and values: one matrix, then the biases and head norms, which come before the rotary positions.
    private void putAttention(String block) throws ModelFileException, InterruptedException {
        try (var arena = Arena.ofConfined()) {
            putMatrix(
                    inPairs(block + "attn_q.weight", arena),
                    inPairs(block + "attn_k.weight", arena),
                    model.tensor(block + "attn_v.weight"));
            if (config.biased()) {
                var biases = List.of(
                        inPairs(block + "attn_q.bias", arena),
                        inPairs(block + "attn_k.bias", arena),
                        model.tensor(block + "attn_v.bias"));
                checkFinite(biases);
                program.putAttentionBias(biases);
                done(biases);
            }
            if (config.architecture().normalisesHeads()) {
                var norms = List.of(
                        inPairs(block + "attn_q_norm.weight", arena), inPairs(block + "attn_k_norm.weight", arena));
                checkFinite(norms);
                program.putHeadNorms(norms);
                done(norms);
            }
        }
    }

    private Tensor inPairs(String name, Arena arena) throws ModelFileException {
        return config.rope().inPairs(model.tensor(name), config.headDim(), arena);
    }

    private void putNorm(String name) throws ModelFileException, InterruptedException {
        var tensor = model.tensor(name);
        checkFinite(List.of(tensor));
        program.putNorm(MatrixParts.pieces(tensor), tensor.type());
        done(List.of(tensor));
    }

    private void putMatrix(Tensor... tensors) throws ModelFileException, InterruptedException {
        var parts = List.of(tensors);
        checkFinite(parts);
        var few = program.fewRows(parts, weights);
        program.putMatrix(MatrixParts.of(parts), few, program.manyRows(few, weights, copyFits));
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
