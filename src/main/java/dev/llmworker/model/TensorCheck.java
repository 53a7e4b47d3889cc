package dev.llmworker.model;

import dev.llmworker.weights.ModelFileException;
import dev.llmworker.weights.StoredModel;
import dev.llmworker.weights.Tensor;
import dev.llmworker.weights.TensorType;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;
import java.util.regex.Pattern;

/// Checks that a model has the tensors that the programs use, in the shapes that its metadata gives.
public final class TensorCheck {
    private static final ValueLayout.OfFloat FLOAT =
            ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    private static final Pattern BLOCK = Pattern.compile("^blk\\.\\d+\\.");
    private static final String EMBEDDING = "token_embd.weight";
    private static final String OUTPUT_NORM = "output_norm.weight";
    private static final String HEAD = "output.weight";

    private TensorCheck() {}

    /// Refuses a tensor that the programs do not use: without it the model would write nonsense.
    public static void allKnown(StoredModel model, ModelConfig config) throws ModelFileException {
        var known = new HashSet<>(Set.of(EMBEDDING, OUTPUT_NORM, HEAD, Rope.FACTORS));
        inBlock(config).keySet().forEach(part -> known.add("blk." + part));
        for (var entry : model.tensors().entrySet()) {
            if (!known.contains(BLOCK.matcher(entry.getKey()).replaceFirst("blk."))) {
                throw entry.getValue()
                        .problem("is not of a " + config.architecture().ggufName() + " model as it is supported");
            }
        }
    }

    /// Checks that each tensor is there, in its shape and in a supported type, before loading starts.
    public static void allThere(StoredModel model, ModelConfig config) throws ModelFileException {
        check(model, EMBEDDING, config.hidden(), config.vocabulary());
        var shapes = inBlock(config);
        for (var layer = 0; layer < config.layers(); layer++) {
            for (var part : shapes.entrySet()) {
                check(model, "blk." + layer + "." + part.getKey(), part.getValue());
            }
        }
        check(model, OUTPUT_NORM, config.hidden());
        if (model.tensors().containsKey(HEAD)) {
            check(model, HEAD, config.hidden(), config.vocabulary());
        }
    }

    private static void check(StoredModel model, String name, long... expected) throws ModelFileException {
        var tensor = model.tensor(name);
        shape(tensor, expected);
        if (expected.length == 1 && tensor.type().blockElements() > 1) {
            throw tensor.problem("is " + tensor.type() + "; supported here: F32, F16, BF16");
        }
    }

    /// The shapes of a layer's tensors, columns first, in the order of their use.
    private static Map<String, long[]> inBlock(ModelConfig config) {
        int heads = config.queryWidth(), kvHeads = config.keyWidth();
        int hidden = config.hidden(), inner = config.feedForward();
        var shapes = new LinkedHashMap<String, long[]>();
        shapes.put("attn_norm.weight", new long[] {hidden});
        shapes.put("ffn_norm.weight", new long[] {hidden});
        shapes.put("attn_q.weight", new long[] {hidden, heads});
        shapes.put("attn_k.weight", new long[] {hidden, kvHeads});
        shapes.put("attn_v.weight", new long[] {hidden, kvHeads});
        if (config.biased()) {
            shapes.put("attn_q.bias", new long[] {heads});
            shapes.put("attn_k.bias", new long[] {kvHeads});
            shapes.put("attn_v.bias", new long[] {kvHeads});
        }
        if (config.architecture().normalisesHeads()) {
            shapes.put("attn_q_norm.weight", new long[] {config.headDim()});
            shapes.put("attn_k_norm.weight", new long[] {config.headDim()});
        }
        shapes.put("attn_output.weight", new long[] {heads, hidden});
        shapes.put("ffn_gate.weight", new long[] {hidden, inner});
        shapes.put("ffn_up.weight", new long[] {hidden, inner});
        shapes.put("ffn_down.weight", new long[] {inner, hidden});
        return shapes;
    }

    /// An element of an F32 vector.
    static float float32(Tensor tensor, long index) throws ModelFileException {
        if (tensor.type() != TensorType.F32) {
            throw tensor.problem("is " + tensor.type() + "; supported here: F32");
        }
        return tensor.data().getAtIndex(FLOAT, index);
    }

    /// @param expected columns first
    static void shape(Tensor tensor, long... expected) throws ModelFileException {
        if (!Arrays.equals(withoutTrailingOnes(tensor.shape()), withoutTrailingOnes(expected))) {
            throw tensor.problem("has shape " + Arrays.toString(tensor.shape()) + "; the metadata asks for "
                    + Arrays.toString(expected) + " (columns first)");
        }
    }

    private static long[] withoutTrailingOnes(long[] shape) {
        var length = shape.length;
        while (length > 1 && shape[length - 1] == 1) {
            length--;
        }
        return Arrays.copyOf(shape, length);
    }
}
