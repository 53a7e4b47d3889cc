package dev.llmworker.model.architecture;

import dev.llmworker.model.Attention.HeadNorm;
import dev.llmworker.model.FeedForward.Experts.Scoring;
import dev.llmworker.model.Layer;
import dev.llmworker.weights.ModelFileException;

final class Qwen3Moe implements Architecture {
    @Override
    public String name() {
        return "qwen3moe";
    }

    @Override
    public String models() {
        return "Qwen 3 with experts";
    }

    @Override
    public void describe(Description model) {
        model.headNorm = HeadNorm.EACH;
    }

    @Override
    public Layer layer(Description model, int index) throws ModelFileException {
        return model.layer(index, model.attention(index), model.experts(index, Scoring.SOFTMAX));
    }
}
