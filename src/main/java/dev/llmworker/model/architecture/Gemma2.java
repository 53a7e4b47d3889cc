package dev.llmworker.model.architecture;

import dev.llmworker.model.FeedForward.Activation;
import dev.llmworker.model.Layer.Norms;
import dev.llmworker.weights.ModelFileException;

/// Every other layer has a window. Scores and logits have caps.
final class Gemma2 implements Architecture {
    private static final int PATTERN = 2;
    private static final double SCORE_CAP = 50;
    private static final double LOGIT_CAP = 30;
    /// The 27B model, whose scores have a scale of their own. GGUF files do not have it.
    private static final int LAYERS_OF_27B = 46;

    @Override
    public String name() {
        return "gemma2";
    }

    @Override
    public String models() {
        return "Gemma 2";
    }

    @Override
    public void describe(Description model) throws ModelFileException {
        describeGemma(model, LAYERS_OF_27B);
        model.slidingPattern = PATTERN;
        // In config.json, null means that there is no cap.
        if (!model.fromHub) {
            model.scoreCap = SCORE_CAP;
            model.logitCap = LOGIT_CAP;
        }
    }

    /// What Gemma 2 and 3 have in common.
    ///
    /// @param ownScale layers of the model whose scores are scaled by the values that a head could have
    static void describeGemma(Description model, int ownScale) throws ModelFileException {
        model.embeddingScale = Math.sqrt(model.hidden);
        model.normsFromZero = model.fromHub;
        model.norms = Norms.AROUND;
        model.activation = Activation.GELU;
        if (model.layers == ownScale) {
            var heads = model.keys.sizeOf(0, "attention.head_count", Keys.MAX_SIZE);
            model.scale = 1 / Math.sqrt((double) model.hidden / heads);
        }
    }
}
