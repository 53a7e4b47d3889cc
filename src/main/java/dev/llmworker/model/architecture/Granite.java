package dev.llmworker.model.architecture;

import dev.llmworker.weights.ModelFileException;

/// Llama with four multipliers. Its logits are divided by the last one.
final class Granite implements Architecture {
    @Override
    public String name() {
        return "granite";
    }

    @Override
    public String models() {
        return "Granite 3";
    }

    @Override
    public boolean halfSplit(boolean fromHub) {
        return fromHub;
    }

    @Override
    public void describe(Description model) throws ModelFileException {
        model.embeddingScale = model.keys.positive("embedding_scale", 1);
        model.residualScale = model.keys.positive("residual_scale", 1);
        model.logitScale = 1 / model.keys.positive("logit_scale", 1);
        // llama.cpp reads this as a switch for rotary positions.
        if (!model.keys.flag("rope.scaling.finetuned", true)) {
            throw model.keys.problem("rope.scaling.finetuned", "is false; supported: models with rotary positions");
        }
    }
}
