package dev.llmworker.model.loading;

import dev.llmworker.model.Attention;
import dev.llmworker.model.Attention.HeadNorm;
import dev.llmworker.model.DeltaNet;
import dev.llmworker.model.FeedForward;
import dev.llmworker.model.FeedForward.Experts;
import dev.llmworker.model.LayerTensors;
import dev.llmworker.model.ModelConfig;
import dev.llmworker.model.TensorCheck;
import dev.llmworker.model.device.Precision;
import dev.llmworker.weights.StoredModel;
import dev.llmworker.weights.content.ModelFileException;
import dev.llmworker.weights.content.Tensor;
import dev.llmworker.weights.content.TensorType;
import java.lang.foreign.Arena;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.Comparator;
import java.util.EnumMap;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.function.LongConsumer;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/// Puts a model's tensors into a decoder program. Each is checked and repacked straight from the mapped file.
public final class WeightLoader {
    private static final String EMBEDDING = "token_embd.weight";
    private static final String OWN_HEAD = "output.weight";
    private static final String ROUTER = "ffn_gate_inp.weight";
    /// Another type for a smaller part of what a step reads would not make it notably faster.
    private static final double LEAST_SHARE = 0.05;

    private static final Pattern LAYER = Pattern.compile("blk\\.(\\d{1,9})\\.");
    /// The layer of what belongs to none: the last matrix, which makes logits, and others.
    private static final int MODEL = -1;
    /// The bfloat16 copy for many rows may take at most a quarter of the memory.
    private static final int MANY_ROWS_MEMORY_SHARE = 4;

    private final StoredModel model;
    private final ModelConfig config;
    private final LoadableProgram program;
    private final Precision weights;
    private final LongConsumer progress;
    private final boolean copyFits;
    private final Set<String> counted = new HashSet<>();
    /// By the names in the files.
    private final Map<String, Long> storedBytes = new HashMap<>();

    private @Nullable ReadAhead ahead;
    private long bytesDone;

    /// @param memory of the device, in bytes
    /// @param progress is given the bytes of the file that are loaded, after each tensor
    public WeightLoader(
            StoredModel model,
            ModelConfig config,
            LoadableProgram program,
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
        for (var tensor : model.tensors().values()) {
            storedBytes.put(tensor.name(), tensor.storedBytes());
        }
        copyFits = elements * Precision.BF16.bytes() <= memory / MANY_ROWS_MEMORY_SHARE;
    }

    /// @throws InterruptedException if the thread was interrupted; checked between tensors
    public void load() throws ModelFileException, InterruptedException {
        TensorCheck.allKnown(model, config);
        TensorCheck.allThere(model, config);
        var tensors = program.readsAhead() ? inOrder() : List.<Tensor>of();
        try (var reading = new ReadAhead(tensors, Tensor::checkFinite, ReadAhead.WINDOW_BYTES)) {
            ahead = reading;
            put();
        }
    }

    /// About as [#put] takes them. Those in another form are checked when they are written in that of their type.
    private List<Tensor> inOrder() {
        return model.tensors().entrySet().stream()
                .filter(entry -> entry.getValue().packed() == null)
                .sorted(Comparator.comparingInt(entry -> turn(entry.getKey())))
                .map(Map.Entry::getValue)
                .toList();
    }

    /// The embedding comes first, then the layers one after the other.
    private static int turn(String name) {
        var layer = LAYER.matcher(name);
        if (layer.lookingAt()) {
            return Integer.parseInt(layer.group(1));
        }
        return name.equals(EMBEDDING) ? MODEL : Integer.MAX_VALUE;
    }

    private void put() throws ModelFileException, InterruptedException {
        var embedding = model.tensor(EMBEDDING);
        if (!embedsByHead(embedding)) {
            if (hasOwnHead() || program.readsAhead()) {
                check(embedding);
            }
            try (var arena = Arena.ofShared()) {
                var rows = unpacked(embedding, arena);
                program.putEmbedding(MatrixParts.pieces(rows), rows.type(), config.vocabulary());
            }
            done(List.of(embedding));
        }
        for (var layer = 0; layer < config.layers().size(); layer++) {
            putLayer(layer);
        }
        if (config.layerInput() > 0) {
            putLayerInputs();
        }
        var norm = List.of(model.tensor("output_norm.weight"));
        checkFinite(norm);
        program.putOutputNorm(norm.getFirst());
        done(norm);
        // A model without a head of its own uses the embedding.
        putMatrix(MODEL, "head", model.tensor(hasOwnHead() ? OWN_HEAD : EMBEDDING));
    }

    private void putLayer(int index) throws ModelFileException, InterruptedException {
        var layer = config.layers().get(index);
        var tensors = LayerTensors.of(model, config, index);
        // Before the matrices: a program may multiply norms into them.
        for (var vector : tensors.vectors().entrySet()) {
            putVectors(index, vector.getKey(), tensors, vector.getValue().toArray(String[]::new));
        }
        switch (layer.mixer()) {
            case Attention attention -> putAttention(index, attention, tensors);
            case DeltaNet delta -> putDelta(index, delta, tensors);
        }
        if (config.layerInput() > 0) {
            putMatrix(index, "input_gate", tensor(tensors, "inp_gate.weight"));
            putMatrix(index, "input_projection", tensor(tensors, "proj.weight"));
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
    }

    /// What layers take of a token beside the stream.
    private void putLayerInputs() throws ModelFileException, InterruptedException {
        var embedding = model.tensor(TensorCheck.LAYER_EMBEDDING);
        check(embedding);
        try (var arena = Arena.ofShared()) {
            var rows = unpacked(embedding, arena);
            program.putLayerEmbedding(MatrixParts.pieces(rows), rows.type(), config.vocabulary());
        }
        done(List.of(embedding));
        putVectors(MODEL, "input_norm", List.of(model.tensor(TensorCheck.LAYER_INPUT_NORM)));
        putMatrix(MODEL, "inputs", model.tensor(TensorCheck.LAYER_INPUTS));
    }

    private boolean hasOwnHead() {
        return model.tensors().containsKey(OWN_HEAD);
    }

    /// Whether the program looks tokens up in the head, and has no embedding.
    private boolean embedsByHead(Tensor embedding) {
        return !hasOwnHead() && program.embedsByHead(embedding.type());
    }

    /// What the weights will take on the device, in bytes.
    public long bytesNeeded() throws ModelFileException {
        var tied = !hasOwnHead();
        var embedding = model.tensor(EMBEDDING);
        var needed = embedsByHead(embedding) ? 0 : program.embeddingBytes(embedding, dense());
        for (var entry : model.tensors().entrySet()) {
            var tensor = entry.getValue();
            if (tensor.rows() == 1) {
                needed += tensor.elements() * Precision.FP32.bytes();
            } else if (entry.getKey().equals(TensorCheck.LAYER_EMBEDDING)) {
                needed += tensor.bytes();
            } else if (tied || !entry.getKey().equals(EMBEDDING)) {
                needed += held(tensor);
            }
        }
        return needed;
    }

    /// What the tensors of each type become, the type with the most weights first.
    public List<HeldType> heldTypes() {
        return model.tensors().entrySet().stream()
                .collect(Collectors.groupingBy(
                        entry -> entry.getValue().type(), () -> new EnumMap<>(TensorType.class), Collectors.toList()))
                .values()
                .stream()
                .map(this::heldType)
                .sorted(Comparator.comparing(HeldType::weights).reversed())
                .toList();
    }

    /// @param entries all tensors of a type
    private HeldType heldType(List<Map.Entry<String, Tensor>> entries) {
        var weights =
                entries.stream().mapToLong(entry -> entry.getValue().elements()).sum();
        var type = entries.getFirst().getValue().type();
        var matrix = entries.stream()
                .filter(entry -> isMatrix(entry) && isRead(entry.getKey()))
                .map(Map.Entry::getValue)
                .max(Comparator.comparing(Tensor::elements));
        if (matrix.isPresent()) {
            var few = program.fewRows(List.of(matrix.get()), this.weights);
            var many = program.manyRows(few, this.weights, copyFits);
            var held = HeldType.of(entries.size(), weights, matrix.get(), few, many, dense(), this::bytesRead);
            return stepBytes(entries) >= LEAST_SHARE * stepBytes() ? held : held.withoutFaster();
        }
        var embedding = entries.stream()
                .filter(WeightLoader::isMatrix)
                .map(Map.Entry::getValue)
                .findFirst();
        if (embedding.isPresent()) {
            var bytes = (double) program.embeddingBytes(embedding.get(), dense())
                    / embedding.get().elements();
            return HeldType.of(type, entries.size(), weights, "an embedding", bytes);
        }
        return HeldType.of(type, entries.size(), weights, Precision.FP32.inLowerCase(), Precision.FP32.bytes());
    }

    /// Whether a tensor is a matrix that can be quantised. Tools quantise no router.
    private static boolean isMatrix(Map.Entry<String, Tensor> entry) {
        var name = entry.getKey();
        return entry.getValue().rows() > 1 && !name.endsWith(ROUTER) && !TensorCheck.isNeverQuantised(name);
    }

    private long bytesRead(Tensor matrix) {
        return program.fewRows(List.of(matrix), weights).bytes(matrix, dense());
    }

    /// Whether each step reads a matrix. Of an embedding it only looks rows up.
    private boolean isRead(String name) {
        return !name.equals(TensorCheck.LAYER_EMBEDDING) && (!name.equals(EMBEDDING) || !hasOwnHead());
    }

    /// What a step of one row reads of the matrices, in bytes.
    public long stepBytes() {
        return stepBytes(model.tensors().entrySet());
    }

    private long stepBytes(Collection<Map.Entry<String, Tensor>> entries) {
        var bytes = 0L;
        for (var entry : entries) {
            var name = entry.getKey();
            if (isRead(name) && entry.getValue().rows() > 1) {
                bytes += (long) (bytesRead(entry.getValue()) * LayerTensors.shareUsed(name, config));
            }
        }
        return bytes;
    }

    /// Queries, keys and values: one matrix. Its rows, and what is added to or multiplied with its results, are in the
    /// order that the rotary positions need.
    private void putAttention(int layer, Attention attention, LayerTensors tensors)
            throws ModelFileException, InterruptedException {
        try (var arena = Arena.ofShared()) {
            var ordered = new HeadOrder(attention, tensors.groupsAttention(), arena);
            if (tensors.joinsAttention()) {
                putMatrix(layer, "qkv", ordered.joined(tensor(tensors, tensors.joinedAttention() + ".weight", arena)));
            } else {
                putMatrix(layer, "qkv", attentionInputs(attention, tensors, ordered, ".weight"));
            }
            if (attention.biased() && tensors.joinsAttention()) {
                var bias = tensor(tensors, tensors.joinedAttention() + ".bias");
                putVectors(layer, "qkv_bias", List.of(ordered.joined(bias)));
            } else if (attention.biased()) {
                putVectors(layer, "qkv_bias", List.of(attentionInputs(attention, tensors, ordered, ".bias")));
            }
            if (attention.norm() != HeadNorm.NONE) {
                putVectors(layer, "head_norms", headNorms(attention, tensors, ordered, arena));
            }
        }
        putMatrix(layer, "attention_output", tensor(tensors, "attn_output.weight"));
    }

    /// The parts of a matrix or vector: queries, keys and values if the layer has some, and gates if it has some.
    /// Values may be the keys.
    private Tensor[] attentionInputs(Attention attention, LayerTensors tensors, HeadOrder ordered, String kind)
            throws ModelFileException, InterruptedException {
        var queries = tensor(tensors, "attn_q" + kind, ordered.arena());
        var parts = new ArrayList<Tensor>();
        parts.add(ordered.heads(attention.gated() ? ordered.queries(queries) : queries));
        if (attention.hasKeys()) {
            var keys = tensor(tensors, "attn_k" + kind, ordered.arena());
            parts.add(ordered.heads(keys));
            parts.add(attention.valuesAreKeys() ? keys : tensor(tensors, "attn_v" + kind));
        }
        if (attention.gated()) {
            parts.add(ordered.gates(queries));
        }
        return parts.toArray(Tensor[]::new);
    }

    /// Of queries, of keys if the layer has some, and of values if they have a norm, which has no weights.
    private List<Tensor> headNorms(Attention attention, LayerTensors tensors, HeadOrder ordered, Arena arena)
            throws ModelFileException, InterruptedException {
        var norms = new ArrayList<Tensor>();
        norms.add(ordered.heads(tensor(tensors, "attn_q_norm.weight")));
        if (attention.hasKeys()) {
            norms.add(ordered.heads(tensor(tensors, "attn_k_norm.weight")));
            if (attention.valuesNormed()) {
                norms.add(ones(attention.headDim(), arena));
            }
        }
        return norms;
    }

    private Tensor ones(int count, Arena arena) {
        var ones = new float[count];
        Arrays.fill(ones, 1);
        var data = arena.allocateFrom(ValueLayout.JAVA_FLOAT, ones);
        return new Tensor(model.metadata().file(), "ones", TensorType.F32, new long[] {count}, data);
    }

    /// All that the input is multiplied with is one matrix: queries, keys, values, gates, and what writing and
    /// fading depend on.
    private void putDelta(int layer, DeltaNet delta, LayerTensors tensors)
            throws ModelFileException, InterruptedException {
        try (var arena = Arena.ofShared()) {
            putMatrix(layer, "qkv", deltaInputs(delta, tensors, arena).toArray(Tensor[]::new));
        }
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

    private List<Tensor> deltaInputs(DeltaNet delta, LayerTensors tensors, Arena arena)
            throws ModelFileException, InterruptedException {
        long keyHeads = delta.keyHeads(), each = delta.valueHeads() / keyHeads, values = each * delta.valueDim();
        var parts = new ArrayList<Tensor>();
        if (tensors.groupsDelta()) {
            var order = RowOrder.ungrouped(keyHeads, delta.keyDim(), delta.keyDim(), values, values);
            parts.add(RowOrder.ordered(tensor(tensors, LayerTensors.GROUPED_DELTA, arena), order, arena));
        } else {
            parts.add(tensor(tensors, "attn_qkv.weight"));
            parts.add(tensor(tensors, "attn_gate.weight"));
        }
        if (tensors.groupsShares()) {
            var order = RowOrder.ungrouped(keyHeads, each, each);
            parts.add(RowOrder.ordered(tensor(tensors, LayerTensors.GROUPED_SHARES, arena), order, arena));
        } else {
            parts.add(tensor(tensors, "ssm_beta.weight"));
            parts.add(tensor(tensors, "ssm_alpha.weight"));
        }
        return parts;
    }

    /// The block that all tokens take beside the experts.
    private void putShared(int layer, Experts experts, LayerTensors tensors)
            throws ModelFileException, InterruptedException {
        putMatrix(
                layer,
                "shared_gate_up",
                tensor(tensors, LayerTensors.ofShared(experts, "ffn_gate")),
                tensor(tensors, LayerTensors.ofShared(experts, "ffn_up")));
        putMatrix(layer, "shared_down", tensor(tensors, LayerTensors.ofShared(experts, "ffn_down")));
    }

    private void putExperts(int layer, FeedForward block, Experts experts, LayerTensors tensors)
            throws ModelFileException, InterruptedException {
        if (experts.sharedWidth() > 0) {
            putShared(layer, experts, tensors);
        }
        putMatrix(layer, "router", tensor(tensors, ROUTER));
        var arePacked = checkPacked(tensors);
        for (var expert = 0; expert < experts.count(); expert++) {
            // Several threads write packed ones. A shared arena is dear to close.
            try (var arena = arePacked ? Arena.ofShared() : Arena.ofConfined()) {
                var matrices = new ExpertMatrices(model, tensors, arena);
                putMatrix(layer, "gate_up", matrices.gateUp(expert).toArray(Tensor[]::new));
                putMatrix(layer, "down", matrices.down(expert));
            }
        }
        if (block.biased()) {
            try (var arena = Arena.ofConfined()) {
                var matrices = new ExpertMatrices(model, tensors, arena);
                putVectors(layer, "gate_up_bias", matrices.gateUpBiases());
            }
            putVectors(layer, "down_bias", tensors, "ffn_down_exps.bias");
        }
    }

    /// Checks the tensors of all experts that the file has in another form than their type's.
    ///
    /// @return whether there are some
    private boolean checkPacked(LayerTensors tensors) throws ModelFileException, InterruptedException {
        var arePacked = false;
        for (var name : tensors.shapes().keySet()) {
            var found = ExpertMatrices.isOfAll(name) ? model.tensors().get(name) : null;
            if (found != null && found.packed() != null) {
                check(found);
                arePacked = true;
            }
        }
        return arePacked;
    }

    private Tensor tensor(LayerTensors tensors, String part) throws ModelFileException, InterruptedException {
        var found = model.tensor(tensors.block() + part);
        if (program.readsAhead()) {
            // Its rows may be brought into another order next.
            check(found);
        }
        return found;
    }

    /// In the form of its type.
    private Tensor tensor(LayerTensors tensors, String part, Arena arena)
            throws ModelFileException, InterruptedException {
        return unpacked(tensor(tensors, part), arena);
    }

    private Tensor unpacked(Tensor tensor, Arena arena) throws ModelFileException, InterruptedException {
        if (tensor.packed() != null) {
            check(tensor);
        }
        return tensor.inBlocks(arena);
    }

    private void check(Tensor tensor) throws ModelFileException, InterruptedException {
        Objects.requireNonNull(ahead).check(tensor);
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
        if (Stream.of(tensors).allMatch(tensor -> tensor.packed() == null)) {
            putMatrix(layer, role, List.of(tensors));
        } else {
            try (var arena = Arena.ofShared()) {
                var parts = new ArrayList<Tensor>();
                for (var tensor : tensors) {
                    parts.add(unpacked(tensor, arena));
                }
                putMatrix(layer, role, parts);
            }
        }
        done(List.of(tensors));
    }

    private void putMatrix(int layer, String role, List<Tensor> parts) throws ModelFileException, InterruptedException {
        checkFinite(parts);
        var few = program.fewRows(parts, weights);
        program.putMatrix(layer, role, MatrixParts.of(parts), few, program.manyRows(few, weights, copyFits));
    }

    /// Vectors are F32, F16 or BF16, of which a program checks none itself.
    private void checkFinite(List<Tensor> tensors) throws ModelFileException, InterruptedException {
        for (var tensor : tensors) {
            if (!program.checksFinite(tensor.type())) {
                check(tensor);
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
                bytesDone += storedBytes.getOrDefault(tensor.name(), tensor.storedBytes());
            }
        }
        progress.accept(bytesDone);
        if (Thread.interrupted()) {
            throw new InterruptedException("interrupted while the weights were loaded");
        }
    }
}
