package dev.llmworker.model;

import dev.llmworker.model.MatrixForm.Capabilities;
import dev.llmworker.weights.Gguf;
import dev.llmworker.weights.ModelFileException;
import dev.llmworker.weights.Tensor;
import java.lang.foreign.Arena;
import java.util.ArrayDeque;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Queue;
import java.util.Set;
import java.util.function.BooleanSupplier;
import java.util.function.LongConsumer;

/// Puts a model's tensors into the decoder program, each checked and repacked straight from the mapped file.
final class WeightLoader {
    /// The tensors whose rows a matrix of use joins.
    private interface Parts {
        /// @param copies of what copies there are
        List<Tensor> in(Arena copies) throws ModelFileException;
    }

    private interface ForManyRows {
        void put() throws ModelFileException;
    }

    private static final String EMBEDDING = "token_embd.weight";
    private static final String OWN_HEAD = "output.weight";
    /// Weights for many rows are held beside those for few while they take at most this part of the memory.
    private static final int MANY_ROWS_MEMORY_SHARE = 4;

    private final Gguf model;
    private final DecoderShape shape;
    private final Program program;
    private final Precision weights;
    private final Capabilities device;
    private final LongConsumer progress;
    private final boolean packedBeside;
    private final Set<String> counted = new HashSet<>();
    private final Queue<ForManyRows> forManyRows = new ArrayDeque<>();
    private int matrices;
    private long bytesDone;

    /// @param memory of the device, in bytes
    /// @param progress told the bytes of the file done so far, after each tensor
    WeightLoader(
            Gguf model,
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
        packedBeside = device.packed() && elements() * Precision.BF16.bytes() <= memory / MANY_ROWS_MEMORY_SHARE;
    }

    /// Loads all that is needed; matrices in their form for few rows only.
    ///
    /// @throws InterruptedException when the thread was interrupted; looked at between tensors
    void load() throws ModelFileException, InterruptedException {
        TensorCheck.allKnown(model, shape);
        var embedding = matrix(EMBEDDING, shape.vocabulary(), shape.hidden());
        program.run(
                "put_embedding", MatrixRows.pieces(embedding), embedding.type().ggufId(), shape.vocabulary());
        done(embedding);
        int heads = shape.heads() * shape.headDim(), kvHeads = shape.kvHeads() * shape.headDim();
        for (var layer = 0; layer < shape.layers(); layer++) {
            var block = "blk." + layer + ".";
            putNorm(block + "attn_norm.weight");
            putNorm(block + "ffn_norm.weight");
            putAttention(block, heads, kvHeads);
            putMatrix(_ -> List.of(matrix(block + "attn_output.weight", shape.hidden(), heads)));
            putMatrix(_ -> List.of(
                    matrix(block + "ffn_gate.weight", shape.feedForward(), shape.hidden()),
                    matrix(block + "ffn_up.weight", shape.feedForward(), shape.hidden())));
            putMatrix(_ -> List.of(matrix(block + "ffn_down.weight", shape.hidden(), shape.feedForward())));
        }
        putNorm("output_norm.weight");
        // Without a head of its own the model uses the embedding.
        var head = model.tensors().containsKey(OWN_HEAD) ? OWN_HEAD : EMBEDDING;
        putMatrix(_ -> List.of(matrix(head, shape.vocabulary(), shape.hidden())));
    }

    long elements() {
        return model.tensors().values().stream().mapToLong(Tensor::elements).sum();
    }

    /// What the weights will take on the device, in bytes.
    long bytesNeeded() throws ModelFileException {
        var tied = !model.tensors().containsKey(OWN_HEAD);
        var needed = model.tensor(EMBEDDING).data().byteSize();
        for (var tensor : model.tensors().values()) {
            if (tensor.rows() == 1) {
                needed += tensor.elements() * Precision.FP32.bytes();
            } else if (tied || !tensor.name().equals(EMBEDDING)) {
                needed += held(tensor);
            }
        }
        return needed;
    }

    /// Queries, keys and values: one matrix, and what comes between it and the turning.
    private void putAttention(String block, int heads, int kvHeads) throws ModelFileException, InterruptedException {
        try (var arena = Arena.ofConfined()) {
            putMatrix(copies -> List.of(
                    inPairs(matrix(block + "attn_q.weight", heads, shape.hidden()), copies),
                    inPairs(matrix(block + "attn_k.weight", kvHeads, shape.hidden()), copies),
                    matrix(block + "attn_v.weight", kvHeads, shape.hidden())));
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
        TensorCheck.vector(model, tensor, length);
        TensorCheck.unquantised(model, tensor);
        return tensor;
    }

    private void putVectors(String method, Tensor... tensors) throws ModelFileException, InterruptedException {
        for (var tensor : tensors) {
            model.checkFinite(tensor);
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
        TensorCheck.matrix(model, tensor, rows, columns);
        return tensor;
    }

    private void putNorm(String name) throws ModelFileException, InterruptedException {
        var tensor = model.tensor(name);
        TensorCheck.vector(model, tensor, shape.hidden());
        model.checkFinite(tensor);
        program.run("put_norm", MatrixRows.pieces(tensor), tensor.type().ggufId());
        done(tensor);
    }

    private void putMatrix(Parts parts) throws ModelFileException, InterruptedException {
        try (var arena = Arena.ofConfined()) {
            var tensors = parts.in(arena);
            for (var tensor : tensors) {
                model.checkFinite(tensor);
            }
            var few = few(tensors);
            var rows = new MatrixRows(tensors);
            program.run(
                    "put_matrix",
                    rows.pieces(),
                    rows.types(),
                    rows.counts(),
                    rows.columns(),
                    few.programKind(),
                    few.manyRowsFrom());
            var many = many(few);
            if (many != few) {
                var matrix = matrices;
                forManyRows.add(() -> putMany(matrix, parts, many));
            }
            matrices++;
            done(tensors.toArray(Tensor[]::new));
        }
    }

    /// Loads the forms for many rows, which stand in for those for few as they come.
    ///
    /// @param goOn asked before each matrix
    void loadForManyRows(BooleanSupplier goOn) throws ModelFileException {
        while (!forManyRows.isEmpty() && goOn.getAsBoolean()) {
            forManyRows.remove().put();
        }
    }

    private void putMany(int matrix, Parts parts, MatrixForm form) throws ModelFileException {
        try (var arena = Arena.ofConfined()) {
            var rows = new MatrixRows(parts.in(arena));
            program.run(
                    "put_many", matrix, rows.pieces(), rows.types(), rows.counts(), rows.columns(), form.programKind());
        }
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
        var dense = weights == Precision.AUTO ? Precision.FP32 : weights;
        var elements = matrix.elements();
        return few.bytes(elements, dense) + (many == few ? 0 : many.bytes(elements, dense));
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
}
