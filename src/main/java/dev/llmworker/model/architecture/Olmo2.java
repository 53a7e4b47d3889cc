package dev.llmworker.model.architecture;

import dev.llmworker.model.Attention.HeadNorm;
import dev.llmworker.model.Layer.Norms;

/// Norms come after each half of a layer. In OLMo 3, three layers of four have a window, and their rotary positions are
/// not scaled.
final class Olmo2 implements Architecture {
    private static final int PATTERN = 4;

    @Override
    public String name() {
        return "olmo2";
    }

    @Override
    public String models() {
        return "OLMo 2 and 3";
    }

    @Override
    public void describe(Description model) {
        model.norms = Norms.AFTER;
        model.headNorm = HeadNorm.WHOLE;
        model.slidingPattern = PATTERN;
        model.slidingUnscaled = true;
    }
}
