package dev.llmworker.model.architecture;

import dev.llmworker.model.Attention.HeadNorm;
import dev.llmworker.model.FeedForward;
import dev.llmworker.model.FeedForward.Experts.Scoring;
import dev.llmworker.model.Layer;
import dev.llmworker.weights.ModelFileException;

/// Three layers of four are recurrent ([dev.llmworker.model.DeltaNet]); the others have attention with an
/// output gate.
///
/// @param experts whether the feed-forward blocks have experts
/// @param tiled whether GGUF files have the heads of values in this order
record Qwen35(String name, String models, boolean experts, boolean tiled) implements Architecture {
    private static final int FULL_ATTENTION_INTERVAL = 4;

    @Override
    public void describe(Description model) {
        model.headNorm = HeadNorm.EACH;
        model.gated = true;
        model.normsFromZero = model.fromHub;
    }

    @Override
    public Layer layer(Description model, int index) throws ModelFileException {
        var interval = model.keys.size("full_attention_interval", Integer.MAX_VALUE, FULL_ATTENTION_INTERVAL);
        var recurrent = model.keys.flag("attention.recurrent_layers", index, (index + 1) % interval != 0);
        return model.layer(
                index,
                recurrent ? model.deltaNet(tiled && !model.fromHub) : model.attention(index),
                block(model, index));
    }

    private FeedForward block(Description model, int index) throws ModelFileException {
        return experts ? model.experts(index, Scoring.SOFTMAX) : model.feedForward(index);
    }
}
