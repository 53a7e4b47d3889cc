package dev.llmworker.model.decoder;

import dev.llmworker.sampling.SamplingParameters;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.stream.IntStream;

/// Compares the tokens that a decoder draws with the probabilities that its logits stand for.
///
/// Threading: the decoder's thread.
public record SamplerCheck(TorchDecoder decoder) {
    /// Together, of all kinds of filters.
    public static final int DRAWS = 4096;
    /// Chance alone exceeds this once in some million checks.
    public static final double MOST_DEVIATIONS = 5;
    private static final int TOKEN = 7;
    /// Logits so close to the last one that a filter keeps may be on either side of it.
    private static final float TIE = 0.02f;
    private static final double LEAST_EXPECTED = 10;
    private static final List<SamplingParameters> KINDS = List.of(
            new SamplingParameters(1, 0, 1, 0, 0),
            new SamplingParameters(0.7f, 40, 1, 0, 0),
            new SamplingParameters(1, 0, 0.9f, 0, 0),
            new SamplingParameters(0.9f, 100, 0.95f, 0.02f, 0));

    /// Draws for one kind of filter after the other, each with as many rows as there are slots.
    ///
    /// @return by how many standard deviations the drawn tokens are off, of the worst kind; NaN if logits are not
    ///     finite
    public double deviations() {
        var token = Math.min(TOKEN, decoder.description().vocabularySize() - 1);
        // With as many rows as are drawn together: other kernels would round otherwise.
        var rows = decoder.description().slots();
        var tokens = new int[rows];
        Arrays.fill(tokens, token);
        var all = decoder.decodeLogits(tokens, new int[rows]);
        var logits = Arrays.copyOf(all, all.length / rows);
        var worst = 0.0;
        for (var sampling : KINDS) {
            var counts = new int[logits.length];
            if (!drawn(token, sampling, DRAWS / KINDS.size(), counts)) {
                return Double.NaN;
            }
            worst = Math.max(worst, deviations(logits, probabilities(logits, sampling), counts));
        }
        return worst;
    }

    /// @return false if a row has no token
    private boolean drawn(int token, SamplingParameters sampling, int draws, int[] counts) {
        var slots = decoder.description().slots();
        for (var done = 0; done < draws; done += slots) {
            var batch = new DecodeBatch(slots);
            for (var row = 0; row < Math.min(slots, draws - done); row++) {
                batch.add(token, 0, withSeed(sampling, done + row));
            }
            for (var next : decoder.decode(batch, 1)) {
                if (next == Decoder.NO_TOKEN) {
                    return false;
                }
                counts[next]++;
            }
        }
        return true;
    }

    static SamplingParameters withSeed(SamplingParameters sampling, long seed) {
        return new SamplingParameters(sampling.temperature(), sampling.topK(), sampling.topP(), sampling.minP(), seed);
    }

    /// Filters one after the other, over all tokens, likeliest first.
    static double[] probabilities(float[] logits, SamplingParameters sampling) {
        var order = IntStream.range(0, logits.length)
                .boxed()
                .sorted(Comparator.comparing(i -> -logits[i]))
                .toList();
        var p = new double[logits.length];
        var kept = sampling.topK() == 0 ? logits.length : Math.min(logits.length, sampling.topK());
        var total = 0.0;
        for (var token : order.subList(0, kept)) {
            p[token] = Math.exp((logits[token] - logits[order.getFirst()]) / (double) sampling.temperature());
            total += p[token];
        }
        double before = 0, left = 0;
        for (var token : order) {
            if (before >= sampling.topP() * total || p[token] < sampling.minP()) {
                p[token] = 0;
            }
            before += p[token];
            left += p[token];
        }
        for (var i = 0; i < p.length; i++) {
            p[i] /= left;
        }
        return p;
    }

    /// Pearson's chi-square over bins of tokens that are each expected at least ten times, as a number that is normally
    /// distributed with a deviation of 1 (Wilson and Hilferty 1931).
    ///
    /// @return infinite if a token was drawn that a filter takes out
    static double deviations(float[] logits, double[] expected, int[] counts) {
        var draws = (double) IntStream.of(counts).sum();
        var last = Double.POSITIVE_INFINITY;
        for (var token = 0; token < counts.length; token++) {
            last = expected[token] > 0 ? Math.min(last, logits[token]) : last;
        }
        // Those at the end of what is kept are one bin, with what is left of the others.
        double statistic = 0, binExpected = 0, endExpected = 0;
        int bins = 0, binCount = 0, endCount = 0;
        for (var token = 0; token < counts.length; token++) {
            if (Math.abs(logits[token] - last) <= TIE) {
                endExpected += draws * expected[token];
                endCount += counts[token];
                continue;
            }
            if (expected[token] == 0 && counts[token] > 0) {
                return Double.POSITIVE_INFINITY;
            }
            binExpected += draws * expected[token];
            binCount += counts[token];
            if (binExpected >= LEAST_EXPECTED) {
                statistic += squared(binCount, binExpected);
                bins++;
                binExpected = 0;
                binCount = 0;
            }
        }
        endExpected += binExpected;
        if (endExpected >= LEAST_EXPECTED) {
            statistic += squared(endCount + binCount, endExpected);
            bins++;
        }
        var variance = 2 / (9.0 * Math.max(1, bins - 1));
        return bins < 2 ? 0 : (Math.cbrt(statistic / (bins - 1)) - (1 - variance)) / Math.sqrt(variance);
    }

    private static double squared(int count, double expected) {
        return (count - expected) * (count - expected) / expected;
    }
}
