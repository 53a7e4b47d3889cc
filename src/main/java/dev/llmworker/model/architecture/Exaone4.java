package dev.llmworker.model.architecture;

import dev.llmworker.model.Attention.HeadNorm;
import dev.llmworker.model.Layer.Norms;

/// Norms come after each half of a layer. In the 32B model three layers of four have a window, and only these know
/// positions.
final class Exaone4 implements Architecture {
    private static final int PATTERN = 4;

    @Override
    public String name() {
        return "exaone4";
    }

    @Override
    public String models() {
        return "EXAONE 4";
    }

    @Override
    public void describe(Description model) {
        model.norms = Norms.AFTER;
        model.headNorm = HeadNorm.EACH;
        model.slidingPattern = PATTERN;
        model.turnsInWindowsOnly = true;
    }
}
