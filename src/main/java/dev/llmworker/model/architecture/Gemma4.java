package dev.llmworker.model.architecture;

import dev.llmworker.model.Attention.HeadNorm;
import dev.llmworker.model.FeedForward.Activation;
import dev.llmworker.model.FeedForward.Experts.Scoring;
import dev.llmworker.model.Layer;
import dev.llmworker.model.Layer.Norms;
import dev.llmworker.weights.ModelFileException;

/// Most layers have a window, smaller heads, and rotary positions of their own. The last layers may read the keys and
/// values of earlier ones. Small models have a second embedding, of which each layer takes a part. The model with
/// experts has a block for all tokens beside them.
final class Gemma4 implements Architecture {
    private static final int PATTERN = 6;
    private static final double LOCAL_BASE = 10_000;

    @Override
    public String name() {
        return "gemma4";
    }

    @Override
    public String models() {
        return "Gemma 4";
    }

    @Override
    public void describe(Description model) throws ModelFileException {
        model.embeddingScale = Math.sqrt(model.hidden);
        model.norms = Norms.AROUND;
        model.activation = Activation.GELU;
        model.headNorm = HeadNorm.EACH;
        model.valuesNormed = true;
        model.valuesMayBeKeys = true;
        model.scale = 1;
        model.slidingPattern = PATTERN;
        model.slidingBase = LOCAL_BASE;
        model.slidingUnscaled = true;
        model.expertsApart = true;
    }

    @Override
    public Layer layer(Description model, int index) throws ModelFileException {
        var mixed = model.keys.hasTensor("blk." + index + ".ffn_gate_inp.weight");
        return model.layer(
                index,
                model.attention(index),
                mixed ? model.experts(index, Scoring.SOFTMAX) : model.feedForward(index));
    }
}
