package dev.llmworker.model;

import dev.llmworker.model.MatrixForm.Capabilities;
import dev.llmworker.weights.ModelFileException;
import dev.llmworker.weights.StoredModel;
import dev.llmworker.weights.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.function.LongConsumer;

/// Puts a model's tensors into the decoder program, each checked and repacked straight from the mapped file.
final class WeightLoader {
    private static final String EMBEDDING = "token_embd.weight";
    private static final String OWN_HEAD = "output.weight";
    /// Weights for many rows are held beside those for few while they take at most this part of the memory.
    private static final int MANY_ROWS_MEMORY_SHARE = 4;

    private final StoredModel model;
    private final DecoderShape shape;
    private final Program program;
    private final Precision weights;
    private final Capabilities device;
    private final LongConsumer progress;
    private final boolean packedBeside;
    private final Set<String> counted = new HashSet<>();
    private long bytesDone;

    /// @param memory of the device, in bytes
    /// @param progress told the bytes of the file done so far, after each tensor
    WeightLoader(
            StoredModel model,
            DecoderShape shape,
            Program program,
            Precision weights,
            Capabilities device,
            long memory,
            LongConsumer progress) {
        this.model = model;
        this.shape = shape;
        this.program = program;
        this.weights = weights;
        this.device = device;
        this.progress = progress;
        var elements =
                model.tensors().values().stream().mapToLong(Tensor::elements).sum();
        packedBeside = device.packed() && elements * Precision.BF16.bytes() <= memory / MANY_ROWS_MEMORY_SHARE;
    }

    /// @throws InterruptedException when the thread was interrupted; looked at between tensors
    void load() throws ModelFileException, InterruptedException {
        TensorCheck.allKnown(model, shape);
        TensorCheck.allThere(model, shape);
        var embedding = matrix(EMBEDDING, shape.vocabulary(), shape.hidden());
        if (!embedsByHead(embedding)) {
            program.run(
                    "put_embedding", Program.pieces(embedding), embedding.type().ggufId(), shape.vocabulary());
            done(embedding);
        }
        int heads = shape.heads() * shape.headDim(), kvHeads = shape.kvHeads() * shape.headDim();
        for (var layer = 0; layer < shape.layers(); layer++) {
            var block = "blk." + layer + ".";
            putNorm(block + "attn_norm.weight");
            putNorm(block + "ffn_norm.weight");
            putAttention(block, heads, kvHeads);
            putMatrix(matrix(block + "attn_output.weight", shape.hidden(), heads));
            putMatrix(
                    matrix(block + "ffn_gate.weight", shape.feedForward(), shape.hidden()),
                    matrix(block + "ffn_up.weight", shape.feedForward(), shape.hidden()));
            putMatrix(matrix(block + "ffn_down.weight", shape.hidden(), shape.feedForward()));
        }
        putNorm("output_norm.weight");
        // Without a head of its own the model uses the embedding.
        var head = hasOwnHead() ? OWN_HEAD : EMBEDDING;
        putMatrix(matrix(head, shape.vocabulary(), shape.hidden()));
        if (program.isNative() && !program.test("is_finite")) {
            for (var tensor : model.tensors().values()) {
                tensor.checkFinite();
            }
        }
    }

    private boolean hasOwnHead() {
        return model.tensors().containsKey(OWN_HEAD);
    }

    /// Whether the program looks tokens up in the head, and does without an embedding.
    private boolean embedsByHead(Tensor embedding) {
        return !hasOwnHead() && program.holdsExactly(embedding.type());
    }

    /// What the weights will take on the device, in bytes.
    long bytesNeeded() throws ModelFileException {
        var tied = !hasOwnHead();
        var embedding = model.tensor(EMBEDDING);
        var needed = program.isDense()
                ? MatrixForm.DENSE.bytes(embedding, dense())
                : embedsByHead(embedding) ? 0 : embedding.data().byteSize();
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

    /// Queries, keys and values: one matrix, and what comes between it and the turning.
    private void putAttention(String block, int heads, int kvHeads) throws ModelFileException, InterruptedException {
        try (var arena = Arena.ofConfined()) {
            putMatrix(
                    inPairs(matrix(block + "attn_q.weight", heads, shape.hidden()), arena),
                    inPairs(matrix(block + "attn_k.weight", kvHeads, shape.hidden()), arena),
                    matrix(block + "attn_v.weight", kvHeads, shape.hidden()));
            if (shape.biased()) {
                putVectors(
                        "put_attention_bias",
                        inPairs(vector(block + "attn_q.bias", heads), arena),
                        inPairs(vector(block + "attn_k.bias", kvHeads), arena),
                        vector(block + "attn_v.bias", kvHeads));
            }
            if (shape.architecture().normalisesHeads()) {
                putVectors(
                        "put_head_norms",
                        inPairs(vector(block + "attn_q_norm.weight", shape.headDim()), arena),
                        inPairs(vector(block + "attn_k_norm.weight", shape.headDim()), arena));
            }
        }
    }

    private Tensor inPairs(Tensor tensor, Arena arena) {
        return shape.rotation().inPairs(tensor, shape.headDim(), arena);
    }

    private Tensor vector(String name, long length) throws ModelFileException {
        var tensor = model.tensor(name);
        TensorCheck.vector(tensor, length);
        TensorCheck.unquantised(tensor);
        return tensor;
    }

    private void putVectors(String method, Tensor... tensors) throws ModelFileException, InterruptedException {
        for (var tensor : tensors) {
            tensor.checkFinite();
        }
        var data = Arrays.stream(tensors).map(Tensor::data).toList();
        var types = Arrays.stream(tensors)
                .mapToLong(tensor -> tensor.type().ggufId())
                .toArray();
        program.run(method, data, types);
        done(tensors);
    }

    private Tensor matrix(String name, long rows, long columns) throws ModelFileException {
        var tensor = model.tensor(name);
        TensorCheck.matrix(tensor, rows, columns);
        return tensor;
    }

    private void putNorm(String name) throws ModelFileException, InterruptedException {
        var tensor = model.tensor(name);
        TensorCheck.vector(tensor, shape.hidden());
        tensor.checkFinite();
        program.run("put_norm", Program.pieces(tensor), tensor.type().ggufId());
        done(tensor);
    }

    private void putMatrix(Tensor... tensors) throws ModelFileException, InterruptedException {
        var parts = List.of(tensors);
        var pieces = new ArrayList<MemorySegment>();
        var types = new ArrayList<Long>();
        var rows = new ArrayList<Long>();
        for (var part : parts) {
            if (!program.checksFinite(part.type())) {
                part.checkFinite();
            }
            var bytesPerRow = part.data().byteSize() / part.rows();
            for (var piece : Program.pieces(part)) {
                pieces.add(piece);
                types.add((long) part.type().ggufId());
                rows.add(piece.byteSize() / bytesPerRow);
            }
        }
        var few = few(parts);
        var many = many(few);
        program.run(
                "put_matrix",
                pieces,
                longs(types),
                longs(rows),
                parts.getFirst().columns(),
                few.programKind(),
                many.programKind(),
                few.manyRowsFrom());
        done(tensors);
    }

    private MatrixForm few(List<Tensor> parts) {
        return switch (weights) {
            case AUTO -> MatrixForm.forFewRows(parts, device);
            case BF16 -> device.packed() ? MatrixForm.PACKED_BF16 : MatrixForm.DENSE;
            case FP32, FP16 -> MatrixForm.DENSE;
        };
    }

    private MatrixForm many(MatrixForm few) {
        return packedBeside && weights == Precision.AUTO ? MatrixForm.PACKED_BF16 : few;
    }

    private long held(Tensor matrix) {
        var few = few(List.of(matrix));
        var many = many(few);
        return few.bytes(matrix, dense()) + (many == few ? 0 : many.bytes(matrix, dense()));
    }

    private Precision dense() {
        return weights == Precision.AUTO ? Precision.FP32 : weights;
    }

    private void done(Tensor... tensors) throws InterruptedException {
        for (var tensor : tensors) {
            // A tied head is the embedding again.
            if (counted.add(tensor.name())) {
                bytesDone += tensor.data().byteSize();
            }
        }
        progress.accept(bytesDone);
        if (Thread.interrupted()) {
            throw new InterruptedException("interrupted while the weights were loaded");
        }
    }

    private static long[] longs(List<Long> values) {
        return values.stream().mapToLong(Long::longValue).toArray();
    }
}
