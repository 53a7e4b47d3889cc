package dev.llmworker.model.architecture;

import dev.llmworker.model.FeedForward.Activation;
import dev.llmworker.model.FeedForward.Experts.Scoring;
import dev.llmworker.model.Layer;
import dev.llmworker.weights.ModelFileException;

/// Every other layer has a window. Heads have sinks; all layers have experts.
final class GptOss implements Architecture {
    private static final int PATTERN = 2;

    @Override
    public String name() {
        return "gpt-oss";
    }

    @Override
    public String models() {
        return "gpt-oss";
    }

    @Override
    public void describe(Description model) {
        model.activation = Activation.CLAMPED;
        model.slidingPattern = PATTERN;
        model.sinks = true;
        // The model's own code has it so, but GGUF has no key for it.
        model.ropes.truncated = false;
    }

    @Override
    public Layer layer(Description model, int index) throws ModelFileException {
        return model.layer(index, model.attention(index), model.experts(index, Scoring.SOFTMAX_OF_CHOSEN));
    }
}
