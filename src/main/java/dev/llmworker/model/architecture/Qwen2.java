package dev.llmworker.model.architecture;

import dev.llmworker.model.Layer;
import dev.llmworker.weights.ModelFileException;

final class Qwen2 implements Architecture {
    @Override
    public String name() {
        return "qwen2";
    }

    @Override
    public String models() {
        return "Qwen 2 and 2.5";
    }

    @Override
    public Layer layer(Description model, int index) throws ModelFileException {
        return model.layer(model.attention(index).withBiases(true, false), model.feedForward(index));
    }
}
