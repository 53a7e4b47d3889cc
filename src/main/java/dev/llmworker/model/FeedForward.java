package dev.llmworker.model;

import org.jspecify.annotations.Nullable;

/// The second half of a layer: a gate and values of `width`, multiplied, and back. With experts there are many of
/// these, of which a router chooses a few for each token.
///
/// @param width values between the matrices; of each expert if there are some
/// @param biased whether the matrices have biases
/// @param experts null if there is one feed-forward block for all tokens
public record FeedForward(
        int width,
        Activation activation,
        boolean biased,
        @Nullable Experts experts) {
    /// What the gate `g` does to the values `u`.
    public enum Activation {
        /// `u * g * sigmoid(g)`.
        SILU,
        /// `u * gelu(g)` with the approximation by tanh.
        GELU,
        /// gpt-oss: `(u + 1) * g * sigmoid(1.702 * g)`, with `g` at most 7 and `u` from -7 to 7.
        CLAMPED
    }

    /// @param count of experts
    /// @param used for a token
    /// @param scoring how the router's logits become weights
    /// @param normalised whether the weights of the chosen ones are divided by their sum
    /// @param scale factor of the weights
    /// @param routerBiased whether the router's logits have a bias
    /// @param scaled whether the weights of each expert are multiplied by a number of its own
    /// @param sharedWidth values between the matrices of a block that all tokens take beside the experts; 0 is none
    /// @param apart whether router, experts and the shared block have norms of their own, before and after.
    ///     Otherwise the result of the shared block is multiplied with the sigmoid of a gate
    public record Experts(
            int count,
            int used,
            Scoring scoring,
            boolean normalised,
            double scale,
            boolean routerBiased,
            boolean scaled,
            int sharedWidth,
            boolean apart) {
        /// Softmax of all logits, or of the chosen ones alone.
        public enum Scoring {
            SOFTMAX,
            SOFTMAX_OF_CHOSEN
        }
    }

    /// Values that a token has between the matrices in all that is computed for it.
    public long activeWidth() {
        return experts == null ? width : (long) width * experts.used() + experts.sharedWidth();
    }
}
