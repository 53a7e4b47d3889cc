package dev.llmworker.model.architecture;

import dev.llmworker.model.Attention;
import dev.llmworker.model.Attention.Growth;
import dev.llmworker.model.Attention.HeadNorm;
import dev.llmworker.model.DeltaNet;
import dev.llmworker.model.FeedForward;
import dev.llmworker.model.FeedForward.Activation;
import dev.llmworker.model.FeedForward.Experts;
import dev.llmworker.model.FeedForward.Experts.Scoring;
import dev.llmworker.model.Layer;
import dev.llmworker.model.Layer.Norms;
import dev.llmworker.model.LayerTensors;
import dev.llmworker.model.Mixer;
import dev.llmworker.model.ModelConfig;
import dev.llmworker.model.Rope;
import dev.llmworker.weights.StoredModel;
import dev.llmworker.weights.content.ModelFileException;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// A model while its architecture describes it. It starts as what the metadata says by the keys that all
/// architectures share; an architecture changes what it has otherwise.
final class Description {
    /// No known model has more than 300,000 tokens.
    private static final int MAX_VOCABULARY = 1 << 24;
    /// The longest contexts known are of 10 million tokens.
    private static final int MAX_CONTEXT = 1 << 24;
    /// No known model has more than 1,000.
    private static final int MAX_EXPERTS = 1 << 12;

    /// All known convolutions see four tokens.
    private static final int MAX_KERNEL = 64;

    final Keys keys;
    /// Values of a token between layers.
    final int hidden;
    final int layers;
    /// Whether the tensors are as transformers has them.
    final boolean fromHub;
    private final int trainedLength;
    /// The rotary positions.
    final Ropes ropes;

    double embeddingScale = 1;
    double logitScale = 1;
    /// Caps of models whose metadata have none.
    double logitCap;

    double scoreCap;
    /// Whether scores have a cap if the metadata have one; other models ignore it.
    boolean capsScores;
    double residualScale = 1;
    boolean normsFromZero;
    /// The last of so many layers has no window, if any layer has one and the metadata do not say which.
    int slidingPattern = Integer.MAX_VALUE;
    /// The last of so many layers has no rotary positions, if the metadata do not say which.
    int turningPattern = Integer.MAX_VALUE;
    /// Whether layers with a window never scale their rotary positions.
    boolean slidingUnscaled;
    /// The base of their rotary positions if the metadata have none; 0 is that of other layers.
    double slidingBase;
    /// Whether layers without a window have no rotary positions, if any layer has a window.
    boolean turnsInWindowsOnly;
    HeadNorm headNorm = HeadNorm.NONE;
    /// Whether attention has output gates.
    boolean gated;
    /// Whether queries, keys and values always have a bias; otherwise they have one if it is in the file.
    boolean biased;
    boolean sinks;
    /// Whether tokens see those after them.
    boolean bidirectional;
    /// Whether values have a norm without weights.
    boolean valuesNormed;
    /// Whether a layer without a matrix for values takes the keys before their norm for them.
    boolean valuesMayBeKeys;
    /// Whether experts stand beside a block that all tokens take, and each has norms of its own.
    boolean expertsApart;

    @Nullable
    Growth growth;
    /// Factor of the scores if the metadata have none; 0 is what the values of a head give.
    double scale;
    Norms norms = Norms.BEFORE;
    Activation activation = Activation.SILU;
    /// Of the layers so far, those that have a tensor for each expert.
    private long separateTensors;

    private Description(StoredModel model, Architecture architecture) throws ModelFileException {
        keys = new Keys(model, architecture.name());
        hidden = keys.size("embedding_length", Keys.MAX_SIZE);
        layers = keys.layers();
        fromHub = model.fromHub();
        trainedLength = keys.size("context_length", MAX_CONTEXT);
        ropes = new Ropes(model, keys, architecture.isHalfSplit(fromHub), trainedLength);
    }

    static ModelConfig of(StoredModel model, Architecture architecture) throws ModelFileException {
        var description = new Description(model, architecture);
        architecture.whole().describe(description);
        description.checkActivation();
        var layers = new ArrayList<Layer>();
        for (var i = 0; i < description.layers; i++) {
            layers.add(architecture.each().describe(description, i));
            description.checkKeys(layers);
        }
        var embedding = model.tensor("token_embd.weight");
        if (embedding.rows() > MAX_VOCABULARY) {
            throw embedding.problem("has " + embedding.rows() + " rows; the limit is " + MAX_VOCABULARY);
        }
        return new ModelConfig(
                model.metadata().shown("general.name", "unnamed"),
                architecture.name(),
                description.hidden,
                Math.toIntExact(embedding.rows()),
                description.trainedLength,
                description.epsilon(),
                description.embeddingScale,
                description.logitScale,
                description.keys.notNegative("final_logit_softcapping", description.logitCap),
                description.normsFromZero,
                description.keys.count("embedding_length_per_layer_input", Keys.MAX_SIZE, 0),
                layers);
    }

    // What the shared keys say.

    /// Attention as the metadata have it, with the model's rotary positions.
    Attention attention(int layer) throws ModelFileException {
        var heads = keys.sizeOf(layer, "attention.head_count", Keys.MAX_SIZE);
        var kvHeads = keys.has("attention.head_count_kv")
                ? keys.sizeOf(layer, "attention.head_count_kv", Keys.MAX_SIZE)
                : heads;
        if (heads % kvHeads != 0) {
            throw keys.problem(
                    "attention.head_count",
                    "is " + heads + "; it must be a multiple of the " + kvHeads + " key-value heads");
        }
        var headDim = headDim(layer, heads);
        var block = "blk." + layer + ".";
        return new Attention(
                heads,
                kvHeads,
                headDim,
                window(layer),
                rope(layer, headDim),
                keys.positive("attention.scale", scale == 0 ? 1 / Math.sqrt(headDim) : scale),
                capsScores ? keys.notNegative("attn_logit_softcapping", scoreCap) : 0,
                growth,
                headNorm,
                biased
                        || keys.hasTensor(block + "attn_q.bias")
                        || keys.hasTensor(block + "attn_qkv.bias")
                        || keys.hasTensor(block + "attn_qkv_grouped.bias"),
                keys.hasTensor(block + "attn_output.bias"),
                sinks,
                gated,
                valuesNormed,
                keys.flag("attention.values_are_keys", layer, valuesAreKeys(block)),
                bidirectional,
                keysOf(layer));
    }

    private @Nullable Rope rope(int layer, int headDim) throws ModelFileException {
        var pattern = turningPattern;
        if (!keys.flag("attention.rope_pattern", layer, layer % pattern < pattern - 1)) {
            return null;
        }
        if (turnsInWindowsOnly && hasWindows() && !slides(layer)) {
            return null;
        }
        return slides(layer) ? ropes.ofSliding(headDim, slidingBase, slidingUnscaled) : ropes.of(headDim);
    }

    /// The size of heads. Layers with a window may have another one.
    private int headDim(int layer, int heads) throws ModelFileException {
        var own = slides(layer) && keys.has("attention.key_length_swa") ? "_swa" : "";
        var headDim = keys.count("attention.key_length" + own, Integer.MAX_VALUE, hidden / heads);
        var valueLength = keys.count("attention.value_length" + own, Integer.MAX_VALUE, headDim);
        if (headDim < 2 || headDim % 2 != 0 || headDim > Keys.MAX_SIZE || valueLength != headDim) {
            throw new ModelFileException(
                    keys.metadata().file(),
                    "the heads have keys of " + headDim + " and values of " + valueLength
                            + "; supported: both the same, even, 2 to " + Keys.MAX_SIZE);
        }
        if ((long) heads * headDim > Keys.MAX_SIZE) {
            throw new ModelFileException(
                    keys.metadata().file(),
                    heads + " heads of " + headDim + " values are " + (long) heads * headDim
                            + " together; the limit is " + Keys.MAX_SIZE);
        }
        return headDim;
    }

    private boolean valuesAreKeys(String block) {
        return valuesMayBeKeys && keys.hasTensor(block + "attn_k.weight") && !keys.hasTensor(block + "attn_v.weight");
    }

    /// The last layers may read the keys and values of the last one before them that has a window, or none, as they do.
    private int keysOf(int layer) throws ModelFileException {
        var own = layers - keys.count("attention.shared_kv_layers", layers - 1, 0);
        if (layer < own) {
            return Attention.OWN_KEYS;
        }
        for (var source = own - 1; source >= 0; source--) {
            if (slides(source) == slides(layer)) {
                return source;
            }
        }
        throw keys.problem(
                "attention.shared_kv_layers", "leaves no layer whose keys and values layer " + layer + " could read");
    }

    /// Whether the last layer so far can read the keys that it is meant to.
    private void checkKeys(List<Layer> layers) throws ModelFileException {
        if (layers.getLast().mixer() instanceof Attention last && !last.hasKeys()) {
            var same = layers.get(last.keysOf()).mixer() instanceof Attention source
                    && source.kvHeads() == last.kvHeads()
                    && source.headDim() == last.headDim();
            if (!same) {
                throw keys.problem(
                        "attention.head_count_kv",
                        "differs in layers " + (layers.size() - 1) + " and " + last.keysOf()
                                + ", which share keys and values");
            }
        }
    }

    /// One block for all tokens.
    FeedForward feedForward(int layer) throws ModelFileException {
        var width = keys.sizeOf(layer, "feed_forward_length", Keys.MAX_SIZE);
        return new FeedForward(width, activation, keys.hasTensor("blk." + layer + ".ffn_down.bias"), null);
    }

    /// A block of experts of the width that the metadata gives them. Their weights are divided by their sum, unless the
    /// metadata say that they are not.
    FeedForward experts(int layer, Scoring scoring) throws ModelFileException {
        var normalised = keys.flag("expert_weights_norm", true);
        var count = keys.size("expert_count", MAX_EXPERTS);
        var used = keys.size("expert_used_count", count);
        checkSeparate(layer, count);
        var width = expertWidth();
        var scale = keys.positive("expert_weights_scale", 1);
        var block = "blk." + layer + ".";
        return new FeedForward(
                width,
                activation,
                keys.hasTensor(block + "ffn_down_exps.bias"),
                new Experts(
                        count,
                        used,
                        scoring,
                        normalised,
                        scale,
                        keys.hasTensor(block + "ffn_gate_inp.bias"),
                        keys.hasTensor(block + "ffn_down_exps.scale"),
                        expertsApart
                                ? keys.sizeOf(layer, "feed_forward_length", Keys.MAX_SIZE)
                                : keys.count("expert_shared_feed_forward_length", Keys.MAX_SIZE, 0),
                        expertsApart));
    }

    private int expertWidth() throws ModelFileException {
        var own = "expert_feed_forward_length";
        var shared = "feed_forward_length";
        if (!keys.has(own) && !keys.has(shared)) {
            throw keys.problem(own, "is missing, and so is " + shared);
        }
        return keys.size(keys.has(own) ? own : shared, Keys.MAX_SIZE);
    }

    /// Refuses a count of experts before it makes names of tensors that the file cannot have.
    private void checkSeparate(int layer, int count) throws ModelFileException {
        if (LayerTensors.hasSeparateExperts(keys.tensors(), layer)) {
            separateTensors += (long) LayerTensors.MATRICES_OF_EXPERT * count;
        }
        if (separateTensors > keys.tensors().size()) {
            throw keys.problem(
                    "expert_count",
                    "is " + count + ": the layers up to " + layer + " would have " + separateTensors
                            + " tensors of single experts; there are "
                            + keys.tensors().size() + " tensors");
        }
    }

    /// How many positions a layer sees; 0 is all. A window as long as the context makes no difference. If tokens see
    /// those after them, files have the positions on both sides together.
    private int window(int layer) throws ModelFileException {
        var size = keys.count("attention.sliding_window", Integer.MAX_VALUE, 0);
        var window = bidirectional ? size / 2 + 1 : size;
        return window < trainedLength && slides(layer) ? window : 0;
    }

    boolean hasWindows() throws ModelFileException {
        return keys.count("attention.sliding_window", Integer.MAX_VALUE, 0) > 0;
    }

    /// Whether a layer has a window, even one that is as long as the context. A list in the metadata says so of each.
    boolean slides(int layer) throws ModelFileException {
        if (!hasWindows()) {
            return false;
        }
        var key = "attention.sliding_window_pattern";
        var every = keys.has(key) && !keys.isList(key) ? keys.size(key, Integer.MAX_VALUE) : slidingPattern;
        return keys.flag(key, layer, layer % every < every - 1);
    }

    /// Gated DeltaNet of the sizes that the metadata have.
    ///
    /// @param tiled as [DeltaNet#tiled()]
    DeltaNet deltaNet(boolean tiled) throws ModelFileException {
        var keyHeads = keys.size("ssm.group_count", Keys.MAX_SIZE);
        var valueHeads = keys.size("ssm.time_step_rank", Keys.MAX_SIZE);
        var keyDim = keys.size("ssm.state_size", Keys.MAX_SIZE);
        var valueWidth = keys.size("ssm.inner_size", Keys.MAX_SIZE);
        if (valueHeads % keyHeads != 0) {
            throw keys.problem(
                    "ssm.time_step_rank",
                    "is " + valueHeads + "; it must be a multiple of the " + keyHeads + " key heads");
        }
        if (valueWidth % valueHeads != 0) {
            throw keys.problem(
                    "ssm.inner_size", "is " + valueWidth + "; it must be a multiple of the " + valueHeads + " heads");
        }
        if ((long) keyHeads * keyDim > Keys.MAX_SIZE) {
            throw keys.problem(
                    "ssm.state_size",
                    "is " + keyDim + "; " + keyHeads + " heads have at most " + Keys.MAX_SIZE + " values together");
        }
        var kernel = keys.size("ssm.conv_kernel", MAX_KERNEL);
        return new DeltaNet(keyHeads, valueHeads, keyDim, valueWidth / valueHeads, kernel, tiled);
    }

    Layer layer(int layer, Mixer mixer, FeedForward feedForward) {
        var scaled = keys.hasTensor("blk." + layer + ".layer_output_scale.weight");
        return new Layer(mixer, feedForward, norms, residualScale, scaled);
    }

    /// A file of transformers names the function that gates the feed-forward block.
    private void checkActivation() throws ModelFileException {
        var named = keys.text("activation");
        var expected = activation == Activation.GELU ? "gelu_pytorch_tanh" : "silu";
        if (named != null && !named.equals(expected)) {
            throw keys.problem("activation", "is \"" + named + "\"; supported: " + expected);
        }
    }

    private float epsilon() throws ModelFileException {
        var epsilon = keys.number("attention.layer_norm_rms_epsilon", Double.NaN);
        if (!(epsilon >= 0 && epsilon < 1)) {
            throw keys.problem("attention.layer_norm_rms_epsilon", "is " + epsilon + "; expected 0 to 1");
        }
        return (float) epsilon;
    }
}
