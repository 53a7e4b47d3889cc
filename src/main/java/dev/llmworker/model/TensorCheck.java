package dev.llmworker.model;

import dev.llmworker.weights.StoredModel;
import dev.llmworker.weights.content.ModelFileException;
import dev.llmworker.weights.content.Tensor;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Objects;
import java.util.Set;

/// Checks that a model has the tensors that the programs use, in the shapes that its metadata gives.
public final class TensorCheck {
    /// The factors of [Rope]s: of Llama 3, and of longrope.
    public static final String ROPE_FACTORS = "rope_freqs.weight";

    public static final String LONG_FACTORS = "rope_factors_long.weight";
    public static final String SHORT_FACTORS = "rope_factors_short.weight";
    /// The second embedding, of which each layer takes a part; the matrix that adds to it, and the norm of what it
    /// adds.
    public static final String LAYER_EMBEDDING = "per_layer_token_embd.weight";

    public static final String LAYER_INPUTS = "per_layer_model_proj.weight";
    public static final String LAYER_INPUT_NORM = "per_layer_proj_norm.weight";
    /// A decay is above this, so that its products are finite in float32.
    private static final float LEAST_DECAY = -1e30f;
    /// Likewise of its logarithm, without the sign.
    private static final float MOST_DECAY_LOGARITHM = 80;

    private static final String EMBEDDING = "token_embd.weight";
    private static final String OUTPUT_NORM = "output_norm.weight";
    private static final String HEAD = "output.weight";

    /// What embeddings are multiplied with, one after the other.
    public static final List<String> PROJECTIONS =
            List.of("dense_2.weight", "dense_3.weight", "dense_4.weight", "dense_5.weight");
    /// The rows of the head that score a document: of yes, then of no.
    public static final String SCORES = "cls.output.weight";
    /// No known embedding has more than 8,192 values.
    private static final long MOST_DIMENSIONS = 1 << 16;

    private TensorCheck() {}

    /// Refuses a tensor that the programs do not use: without it the model would write nonsense.
    public static void allKnown(StoredModel model, ModelConfig config) throws ModelFileException {
        var known = new HashSet<>(Set.of(EMBEDDING, OUTPUT_NORM, HEAD, ROPE_FACTORS, LONG_FACTORS, SHORT_FACTORS));
        known.addAll(PROJECTIONS);
        known.add(SCORES);
        for (var i = 0; i < config.layers().size(); i++) {
            var tensors = LayerTensors.of(model, config, i);
            known.addAll(tensors.shapes().keySet());
            known.addAll(tensors.unused());
        }
        if (config.layerInput() > 0) {
            known.addAll(Set.of(LAYER_EMBEDDING, LAYER_INPUTS, LAYER_INPUT_NORM));
        }
        for (var entry : model.tensors().entrySet()) {
            if (!known.contains(entry.getKey())) {
                throw entry.getValue().problem("is not of a " + config.architecture() + " model as it is supported");
            }
        }
    }

    /// Checks that each tensor is there, in its shape and in a supported type, before loading starts.
    public static void allThere(StoredModel model, ModelConfig config) throws ModelFileException {
        check(model, EMBEDDING, config.hidden(), config.vocabulary());
        for (var i = 0; i < config.layers().size(); i++) {
            for (var part : LayerTensors.of(model, config, i).shapes().entrySet()) {
                check(model, part.getKey(), part.getValue());
            }
        }
        check(model, OUTPUT_NORM, config.hidden());
        if (config.layerInput() > 0) {
            var all = (long) config.layers().size() * config.layerInput();
            check(model, LAYER_EMBEDDING, all, config.vocabulary());
            check(model, LAYER_INPUTS, config.hidden(), all);
            check(model, LAYER_INPUT_NORM, config.layerInput());
        }
        if (model.tensors().containsKey(HEAD)) {
            check(model, HEAD, config.hidden(), config.vocabulary());
        }
        var columns = (long) config.hidden();
        for (var projection : projections(model)) {
            var rows = projection.rows();
            if (rows > MOST_DIMENSIONS) {
                throw projection.problem("has " + rows + " rows; the limit is " + MOST_DIMENSIONS);
            }
            shape(projection, columns, rows);
            columns = rows;
        }
        if (model.tensors().containsKey(SCORES)) {
            check(model, SCORES, config.hidden(), 2);
        }
    }

    /// The matrices of [#PROJECTIONS] that the model has.
    public static List<Tensor> projections(StoredModel model) {
        return PROJECTIONS.stream()
                .filter(model.tensors()::containsKey)
                .map(name -> Objects.requireNonNull(model.tensors().get(name)))
                .toList();
    }

    private static void check(StoredModel model, String name, long... expected) throws ModelFileException {
        var tensor = model.tensor(name);
        shape(tensor, expected);
        var isQuantised = !tensor.type().isPlain() || tensor.packed() != null;
        if (isNeverQuantised(name) && isQuantised) {
            throw tensor.problem("is " + (tensor.packed() == null ? tensor.type() : "quantised")
                    + "; supported here: F32, F16, BF16");
        }
        if (name.endsWith(LayerTensors.DECAY)) {
            decays(tensor, LEAST_DECAY, 0);
        } else if (name.endsWith(LayerTensors.DECAY_OF_HUB)) {
            decays(tensor, Float.NEGATIVE_INFINITY, MOST_DECAY_LOGARITHM);
        }
    }

    /// Refuses a decay with which a state would grow, or would not be finite.
    private static void decays(Tensor tensor, float below, float most) throws ModelFileException {
        for (var i = 0L; i < tensor.elements(); i++) {
            var value = element(tensor, i);
            if (!(value > below && value <= most)) {
                throw tensor.problem(
                        "has " + value + " at element " + i + "; expected more than " + below + " and at most " + most);
            }
        }
    }

    /// Some models have two of a kind: `attn_norm_2.weight`. A start asks this of each tensor.
    private static boolean isNorm(String name) {
        return name.endsWith("_norm.weight") || name.endsWith("_norm_1.weight") || name.endsWith("_norm_2.weight");
    }

    /// Vectors are not quantised. Neither are matrices that are copied column by column, element by element. The rank
    /// does not tell: the biases of all experts are a table.
    public static boolean isNeverQuantised(String name) {
        return name.endsWith(".bias")
                || name.endsWith(".scale")
                || name.endsWith("_scale.weight")
                || isNorm(name)
                || name.endsWith("_sinks.weight")
                || name.endsWith("_inp_shexp.weight")
                || name.endsWith("ssm_conv1d.weight")
                || name.endsWith(LayerTensors.DECAY)
                || name.endsWith(LayerTensors.DECAY_OF_HUB)
                || name.endsWith("_transposed.weight");
    }

    /// An element of a tensor that is not quantised.
    public static float element(Tensor tensor, long index) throws ModelFileException {
        if (!tensor.type().isPlain()) {
            throw tensor.problem("is " + tensor.type() + "; supported here: F32, F16, BF16");
        }
        return tensor.element(index);
    }

    /// @param expected columns first
    public static void shape(Tensor tensor, long... expected) throws ModelFileException {
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
