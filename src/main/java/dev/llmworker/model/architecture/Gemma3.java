package dev.llmworker.model.architecture;

import dev.llmworker.model.Attention.HeadNorm;
import dev.llmworker.weights.ModelFileException;

/// Five layers of six have a window, and rotary positions of their own, which are not scaled.
final class Gemma3 implements Architecture {
    private static final int PATTERN = 6;
    private static final double LOCAL_BASE = 10_000;
    /// The 27B model, as in [Gemma2].
    private static final int LAYERS_OF_27B = 62;

    @Override
    public String name() {
        return "gemma3";
    }

    @Override
    public String models() {
        return "Gemma 3";
    }

    @Override
    public void describe(Description model) throws ModelFileException {
        Gemma2.describeGemma(model, LAYERS_OF_27B);
        model.headNorm = HeadNorm.EACH;
        model.slidingPattern = PATTERN;
        model.slidingBase = LOCAL_BASE;
        model.slidingUnscaled = true;
    }
}
