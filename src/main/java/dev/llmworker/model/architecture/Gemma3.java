package dev.llmworker.model.architecture;

import dev.llmworker.model.Attention.HeadNorm;
import dev.llmworker.model.FeedForward.Activation;
import dev.llmworker.model.Layer;
import dev.llmworker.model.Layer.Norms;
import dev.llmworker.weights.ModelFileException;

/// Five layers of six have a window, and rotary positions of their own.
final class Gemma3 implements Architecture {
    private static final int PATTERN = 6;
    private static final double LOCAL_BASE = 10_000;

    @Override
    public String name() {
        return "gemma3";
    }

    @Override
    public String models() {
        return "Gemma 3";
    }

    @Override
    public void describe(Description model) {
        model.embeddingScale = Math.sqrt(model.hidden);
        model.normsFromZero = model.fromHub;
        model.norms = Norms.AROUND;
        model.activation = Activation.GELU;
        model.slidingPattern = PATTERN;
    }

    @Override
    public Layer layer(Description model, int index) throws ModelFileException {
        var attention = model.attention(index).withNorm(HeadNorm.EACH);
        if (attention.window() > 0) {
            attention = attention.withRope(
                    model.ropes.unscaled(attention.headDim(), "rope.freq_base_swa", LOCAL_BASE));
        }
        return model.layer(attention, model.feedForward(index));
    }
}
