package dev.llmworker.model.architecture;

import dev.llmworker.model.FeedForward.Experts.Scoring;
import dev.llmworker.model.Layer;
import dev.llmworker.weights.ModelFileException;

final class Llama implements Architecture {
    @Override
    public String name() {
        return "llama";
    }

    @Override
    public String models() {
        return "Llama 2 and 3, SmolLM2, TinyLlama, Mistral, Mixtral, Granite Code, InternLM 3";
    }

    @Override
    public boolean halfSplit(boolean fromHub) {
        return fromHub;
    }

    @Override
    public Layer layer(Description model, int index) throws ModelFileException {
        var mixed = model.keys.count("expert_count", Keys.MAX_SIZE, 0) > 0;
        return model.layer(
                index,
                model.attention(index),
                mixed ? model.experts(index, Scoring.SOFTMAX) : model.feedForward(index));
    }
}
