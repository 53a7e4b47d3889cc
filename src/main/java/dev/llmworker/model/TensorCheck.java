package dev.llmworker.model;

import dev.llmworker.weights.ModelFileException;
import dev.llmworker.weights.StoredModel;
import dev.llmworker.weights.Tensor;
import dev.llmworker.weights.TensorType;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.Set;
import java.util.regex.Pattern;

/// Checks that a model has the tensors that the programs use, in the shapes that its metadata gives.
public final class TensorCheck {
    private static final ValueLayout.OfFloat FLOAT =
            ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    private static final Set<String> OUTSIDE_BLOCKS =
            Set.of("token_embd.weight", "output_norm.weight", "output.weight", "rope_freqs.weight");
    private static final Set<String> IN_BLOCKS = Set.of(
            "attn_norm.weight",
            "attn_q.weight",
            "attn_k.weight",
            "attn_v.weight",
            "attn_output.weight",
            "ffn_norm.weight",
            "ffn_gate.weight",
            "ffn_up.weight",
            "ffn_down.weight");
    private static final Set<String> BIASES = Set.of("attn_q.bias", "attn_k.bias", "attn_v.bias");
    private static final Set<String> HEAD_NORMS = Set.of("attn_q_norm.weight", "attn_k_norm.weight");
    private static final Pattern BLOCK = Pattern.compile("blk\\.\\d+\\.");

    private TensorCheck() {}

    /// Refuses a tensor that the programs do not use: without it the model would write nonsense.
    public static void allKnown(StoredModel model, ModelConfig config) throws ModelFileException {
        for (var entry : model.tensors().entrySet()) {
            var name = entry.getKey();
            var part = BLOCK.matcher(name).replaceFirst("");
            var known = part.equals(name)
                    ? OUTSIDE_BLOCKS.contains(name)
                    : IN_BLOCKS.contains(part)
                            || config.biased() && BIASES.contains(part)
                            || config.architecture().normalisesHeads() && HEAD_NORMS.contains(part);
            if (!known) {
                throw entry.getValue()
                        .problem("is not of a " + config.architecture().ggufName() + " model as it is supported");
            }
        }
    }

    /// Checks that each tensor is there, in its shape and in a supported type, before loading starts.
    public static void allThere(StoredModel model, ModelConfig config) throws ModelFileException {
        int heads = config.queryWidth(), kvHeads = config.keyWidth();
        int hidden = config.hidden(), inner = config.feedForward();
        matrix(model.tensor("token_embd.weight"), config.vocabulary(), hidden);
        for (var layer = 0; layer < config.layers(); layer++) {
            var block = "blk." + layer + ".";
            plainVector(model, block + "attn_norm.weight", hidden);
            plainVector(model, block + "ffn_norm.weight", hidden);
            matrix(model.tensor(block + "attn_q.weight"), heads, hidden);
            matrix(model.tensor(block + "attn_k.weight"), kvHeads, hidden);
            matrix(model.tensor(block + "attn_v.weight"), kvHeads, hidden);
            if (config.biased()) {
                plainVector(model, block + "attn_q.bias", heads);
                plainVector(model, block + "attn_k.bias", kvHeads);
                plainVector(model, block + "attn_v.bias", kvHeads);
            }
            if (config.architecture().normalisesHeads()) {
                plainVector(model, block + "attn_q_norm.weight", config.headDim());
                plainVector(model, block + "attn_k_norm.weight", config.headDim());
            }
            matrix(model.tensor(block + "attn_output.weight"), hidden, heads);
            matrix(model.tensor(block + "ffn_gate.weight"), inner, hidden);
            matrix(model.tensor(block + "ffn_up.weight"), inner, hidden);
            matrix(model.tensor(block + "ffn_down.weight"), hidden, inner);
        }
        plainVector(model, "output_norm.weight", hidden);
        if (model.tensors().containsKey("output.weight")) {
            matrix(model.tensor("output.weight"), config.vocabulary(), hidden);
        }
    }

    private static void plainVector(StoredModel model, String name, long length) throws ModelFileException {
        var tensor = model.tensor(name);
        vector(tensor, length);
        unquantised(tensor);
    }

    public static void unquantised(Tensor tensor) throws ModelFileException {
        if (tensor.type().blockElements() > 1) {
            throw tensor.problem("is " + tensor.type() + "; supported here: F32, F16, BF16");
        }
    }

    public static void vector(Tensor tensor, long length) throws ModelFileException {
        check(tensor, length);
    }

    public static void matrix(Tensor tensor, long rows, long columns) throws ModelFileException {
        check(tensor, columns, rows);
    }

    /// An element of an F32 vector.
    static float float32(Tensor tensor, long index) throws ModelFileException {
        if (tensor.type() != TensorType.F32) {
            throw tensor.problem("is " + tensor.type() + "; supported here: F32");
        }
        return tensor.data().getAtIndex(FLOAT, index);
    }

    private static void check(Tensor tensor, long... expected) throws ModelFileException {
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
