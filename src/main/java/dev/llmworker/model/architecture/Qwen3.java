package dev.llmworker.model.architecture;

import dev.llmworker.model.Attention.HeadNorm;
import dev.llmworker.model.Layer;
import dev.llmworker.weights.ModelFileException;

final class Qwen3 implements Architecture {
    @Override
    public String name() {
        return "qwen3";
    }

    @Override
    public String models() {
        return "Qwen 3";
    }

    @Override
    public Layer layer(Description model, int index) throws ModelFileException {
        return model.layer(model.attention(index).withNorm(HeadNorm.EACH), model.feedForward(index));
    }
}
