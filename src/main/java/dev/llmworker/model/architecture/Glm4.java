package dev.llmworker.model.architecture;

import dev.llmworker.model.Layer.Norms;
import dev.llmworker.weights.ModelFileException;

/// Half of each head turns, in pairs of neighbours.
final class Glm4 implements Architecture {
    @Override
    public String name() {
        return "glm4";
    }

    @Override
    public String models() {
        return "GLM 4";
    }

    @Override
    public boolean halfSplit(boolean fromHub) {
        return false;
    }

    @Override
    public void describe(Description model) throws ModelFileException {
        model.norms = Norms.AROUND;
        if (model.keys.has("rope.dimension_sections")) {
            throw model.keys.problem("rope.dimension_sections", "is set; only text models are supported");
        }
    }
}
