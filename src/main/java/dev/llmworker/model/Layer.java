package dev.llmworker.model;

import java.util.function.UnaryOperator;

/// One layer: a mixer, which is attention in most, then feed-forward. Each adds its result to what came in.
///
/// @param residualScale factor of what each half adds
/// @param scaled whether its result is multiplied by a number that the file has
public record Layer(Mixer mixer, FeedForward feedForward, Norms norms, double residualScale, boolean scaled) {
    /// Where the RMS norms are: before each half, after it (before its result is added), or both.
    public enum Norms {
        BEFORE(true, false),
        AFTER(false, true),
        AROUND(true, true);

        private final boolean before;
        private final boolean after;

        Norms(boolean before, boolean after) {
            this.before = before;
            this.after = after;
        }

        public boolean before() {
            return before;
        }

        public boolean after() {
            return after;
        }
    }

    /// The same layer with other rotary positions, if it has some.
    Layer with(UnaryOperator<Rope> other) {
        return mixer instanceof Attention attention && attention.rope() != null
                ? new Layer(attention.with(other.apply(attention.rope())), feedForward, norms, residualScale, scaled)
                : this;
    }

    /// In words: `9 heads of 64 (3 for keys and values), feed-forward 1536`.
    String description() {
        var experts = feedForward.experts();
        return mixer.description()
                + ", feed-forward " + feedForward.width()
                + (experts == null ? "" : " of " + experts.used() + " of " + experts.count() + " experts")
                + (experts == null || experts.sharedWidth() == 0
                        ? ""
                        : " and a shared one of " + experts.sharedWidth());
    }

    /// Whether it has nothing but what Llama, Qwen 2 and Qwen 3 have.
    public boolean isPlain() {
        return mixer instanceof Attention attention
                && norms == Norms.BEFORE
                && residualScale == 1
                && !scaled
                && !attention.gated()
                && !attention.bidirectional()
                && attention.window() == 0
                && attention.rope() != null
                && attention.rope().strength() == 1
                && attention.cap() == 0
                && attention.growth() == null
                && attention.norm() != Attention.HeadNorm.WHOLE
                && !attention.outputBiased()
                && !attention.sinks()
                && !attention.valuesNormed()
                && attention.hasKeys()
                && attention.scale() == 1 / Math.sqrt(attention.headDim())
                && feedForward.activation() == FeedForward.Activation.SILU
                && !feedForward.biased()
                && feedForward.experts() == null;
    }
}
