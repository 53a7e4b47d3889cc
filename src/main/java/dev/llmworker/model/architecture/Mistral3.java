package dev.llmworker.model.architecture;

import dev.llmworker.model.Attention.Growth;
import dev.llmworker.weights.ModelFileException;

/// Llama whose queries grow with their position.
final class Mistral3 implements Architecture {
    @Override
    public String name() {
        return "mistral3";
    }

    @Override
    public String models() {
        return "Ministral 3";
    }

    @Override
    public boolean halfSplit(boolean fromHub) {
        return fromHub;
    }

    @Override
    public void describe(Description model) throws ModelFileException {
        var beta = model.keys.notNegative("attention.temperature_scale", 0);
        model.growth = beta == 0 ? null : new Growth(beta, model.ropes.originalLength());
    }
}
