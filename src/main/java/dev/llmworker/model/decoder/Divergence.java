package dev.llmworker.model.decoder;

/// The distance of a decoder's next-token distributions from those of a reference.
///
/// @param positions how many were compared
/// @param meanKl the mean of their Kullback-Leibler divergences from the reference, in nats; NaN if logits are not
///     finite
/// @param sameLikeliest the share with the same likeliest token
public record Divergence(int positions, double meanKl, double sameLikeliest) {
    /// Adds up positions.
    static final class Sum {
        private int positions;
        private double kl;
        private int same;

        /// @param reference logits of a position, [V]
        void add(float[] reference, float[] own) {
            double referenceTotal = total(reference), ownTotal = total(own);
            for (var token = 0; token < reference.length; token++) {
                var expected = reference[token] - referenceTotal;
                kl += Math.exp(expected) * (expected - (own[token] - ownTotal));
            }
            same += likeliest(reference) == likeliest(own) ? 1 : 0;
            positions++;
        }

        Divergence mean() {
            return new Divergence(positions, kl / positions, (double) same / positions);
        }
    }

    /// The logarithm of the sum of exponentials.
    private static double total(float[] logits) {
        double largest = logits[likeliest(logits)];
        var sum = 0.0;
        for (var logit : logits) {
            sum += Math.exp(logit - largest);
        }
        return largest + Math.log(sum);
    }

    static int likeliest(float[] logits) {
        var best = 0;
        for (var token = 1; token < logits.length; token++) {
            if (logits[token] > logits[best]) {
                best = token;
            }
        }
        return best;
    }
}
