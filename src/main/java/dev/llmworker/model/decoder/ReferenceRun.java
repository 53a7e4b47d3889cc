package dev.llmworker.model.decoder;

import dev.llmworker.sampling.SamplingParameters;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;

/// A decoder's answers to some prompts, to compare another decoder with: greedy tokens and the logits before each.
///
/// @param prompts token ids
/// @param answers by prompt, [#STEPS] tokens
/// @param logits by prompt, then by token of the answer, [V]
public record ReferenceRun(List<int[]> prompts, List<int[]> answers, List<float[][]> logits) {
    public static final int STEPS = 16;
    /// @param prompts of at least one token and at most the context less [#STEPS]
    public static ReferenceRun of(TorchDecoder decoder, List<int[]> prompts) {
        var answers = new ArrayList<int[]>();
        var logits = new ArrayList<float[][]>();
        for (var prompt : prompts) {
            var said = new int[STEPS];
            var before = new float[STEPS][];
            before[0] = prefill(decoder, 0, prompt);
            said[0] = Divergence.likeliest(before[0]);
            for (var i = 1; i < STEPS; i++) {
                before[i] = decoder.decodeLogits(new int[] {said[i - 1]}, new int[] {prompt.length + i - 1});
                said[i] = Divergence.likeliest(before[i]);
            }
            answers.add(said);
            logits.add(before);
        }
        return new ReferenceRun(prompts, answers, logits);
    }

    /// Has another decoder read the same prompts and answers, each alone and as many together as it has slots.
    public Divergence compare(TorchDecoder decoder) {
        var sum = new Divergence.Sum();
        for (var i = 0; i < prompts.size(); i++) {
            read(decoder, i, i + 1, sum);
        }
        var together = Math.min(prompts.size(), decoder.description().slots());
        for (var first = 0; together > 1 && first < prompts.size(); first += together) {
            read(decoder, first, Math.min(prompts.size(), first + together), sum);
        }
        return sum.mean();
    }

    /// As [#compare], but while the first prompt's answer is decoded the others are read in parts beside it, some of
    /// them together.
    ///
    /// @return of no position if the decoder reads none beside steps, or has one slot
    public Divergence compareBeside(TorchDecoder decoder) {
        var sum = new Divergence.Sum();
        var together = Math.min(
                decoder.description().slots() - 1, Math.min(3, decoder.prompts().parts()));
        var most = (STEPS - 2) * decoder.prompts().beside();
        var others = IntStream.range(1, prompts.size())
                .filter(i -> prompts.get(i).length > 1 && prompts.get(i).length <= most)
                .boxed()
                .toList();
        if (!decoder.deterministic() && together > 0) {
            for (var first = 0; first < others.size(); first += together) {
                readBeside(decoder, others.subList(first, Math.min(others.size(), first + together)), sum);
            }
        }
        return sum.mean();
    }

    /// @param group prompts that are read in slots 1, 2, …; all but their last tokens, which are a step's rows at the
    /// end
    private void readBeside(TorchDecoder decoder, List<Integer> group, Divergence.Sum sum) {
        var answer = answers.getFirst();
        var begun = prompts.getFirst().length;
        prefill(decoder, 0, prompts.getFirst());
        var step = 0;
        for (var parts = parts(group, step); !parts.isEmpty(); parts = parts(group, ++step)) {
            var batch = new DecodeBatch(1);
            batch.add(answer[step], begun + step, SamplingParameters.greedy());
            decoder.decodeBeside(batch, parts);
        }
        var rows = group.size() + 1;
        int[] tokens = new int[rows], positions = new int[rows];
        tokens[0] = answer[step];
        positions[0] = begun + step;
        for (var row = 1; row < rows; row++) {
            var prompt = prompts.get(group.get(row - 1));
            tokens[row] = prompt[prompt.length - 1];
            positions[row] = prompt.length - 1;
        }
        var found = decoder.decodeLogits(tokens, positions);
        sum.add(logits.getFirst()[step + 1], row(found, 0, rows));
        for (var row = 1; row < rows; row++) {
            sum.add(logits.get(group.get(row - 1))[0], row(found, row, rows));
        }
    }

    /// The parts of a step: each prompt is read in as many steps as the others.
    private List<PromptPart> parts(List<Integer> group, int step) {
        var parts = new ArrayList<PromptPart>();
        for (var i = 0; i < group.size(); i++) {
            var prompt = prompts.get(group.get(i));
            var each = Math.ceilDiv(prompt.length - 1, STEPS - 2);
            var start = step * each;
            var end = Math.min(start + each, prompt.length - 1);
            if (start < end) {
                parts.add(new PromptPart(i + 1, Arrays.copyOfRange(prompt, start, end), start));
            }
        }
        return parts;
    }

    private static float[] row(float[] all, int row, int rows) {
        var vocabulary = all.length / rows;
        return Arrays.copyOfRange(all, row * vocabulary, (row + 1) * vocabulary);
    }

    private void read(TorchDecoder decoder, int first, int last, Divergence.Sum sum) {
        var rows = last - first;
        for (var row = 0; row < rows; row++) {
            sum.add(logits.get(first + row)[0], prefill(decoder, row, prompts.get(first + row)));
        }
        for (var i = 1; i < STEPS; i++) {
            int[] tokens = new int[rows], positions = new int[rows];
            for (var row = 0; row < rows; row++) {
                tokens[row] = answers.get(first + row)[i - 1];
                positions[row] = prompts.get(first + row).length + i - 1;
            }
            var found = decoder.decodeLogits(tokens, positions);
            for (var row = 0; row < rows; row++) {
                sum.add(logits.get(first + row)[i], row(found, row, rows));
            }
        }
    }

    private static float[] prefill(TorchDecoder decoder, int slot, int[] prompt) {
        var start = 0;
        var cuts = decoder.prompts();
        for (var end = cuts.cutAfter(0); end < prompt.length; end = cuts.cutAfter(end)) {
            decoder.prefill(slot, Arrays.copyOfRange(prompt, start, end), start);
            start = end;
        }
        return decoder.prefillLogits(slot, Arrays.copyOfRange(prompt, start, prompt.length), start);
    }

    /// The distance of a decoder's next-token distributions from those of a reference.
    ///
    /// @param positions how many were compared
    /// @param meanKl the mean of their Kullback-Leibler divergences from the reference, in nats; NaN if logits
    ///     are not finite
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
                return positions == 0
                        ? new Divergence(0, 0, 1)
                        : new Divergence(positions, kl / positions, (double) same / positions);
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
}
