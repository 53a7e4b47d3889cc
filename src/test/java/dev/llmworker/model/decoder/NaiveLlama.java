package dev.llmworker.model.decoder;

import java.util.Arrays;

/// A [TinyLlama] computed in doubles by plain loops over the formulas, without a cache.
final class NaiveLlama {
    private final TinyLlama model;
    private final double[] frequencies;

    NaiveLlama(TinyLlama model) {
        this(model, plainFrequencies());
    }

    /// @param frequencies radians by which each pair of a head turns from one position to the next
    NaiveLlama(TinyLlama model, double[] frequencies) {
        this.model = model;
        this.frequencies = frequencies;
    }

    static double[] plainFrequencies() {
        var frequencies = new double[TinyLlama.HEAD_DIM / 2];
        for (var i = 0; i < frequencies.length; i++) {
            frequencies[i] = Math.pow(10_000, -2.0 * i / TinyLlama.HEAD_DIM);
        }
        return frequencies;
    }

    /// The logits after the last of `ids`.
    double[] logits(int... ids) {
        return head(hidden(ids)[ids.length - 1]);
    }

    /// The logits after each of `ids`.
    double[][] logitsAfterEach(int... ids) {
        return Arrays.stream(hidden(ids)).map(this::head).toArray(double[][]::new);
    }

    private double[][] hidden(int[] ids) {
        var x = new double[ids.length][];
        for (var i = 0; i < ids.length; i++) {
            x[i] = row("token_embd.weight", ids[i], TinyLlama.HIDDEN);
        }
        for (var layer = 0; layer < TinyLlama.LAYERS; layer++) {
            var block = "blk." + layer + ".";
            var attended = attention(x, block);
            for (var i = 0; i < ids.length; i++) {
                add(x[i], times(block + "attn_output.weight", attended[i]));
                add(x[i], feedForward(x[i], block));
            }
        }
        return x;
    }

    private double[] head(double[] x) {
        var head = model.values.containsKey("output.weight") ? "output.weight" : "token_embd.weight";
        return times(head, normalised(x, "output_norm.weight"));
    }

    private double[][] attention(double[][] x, String block) {
        var queries = new double[x.length][];
        var keys = new double[x.length][];
        var values = new double[x.length][];
        for (var i = 0; i < x.length; i++) {
            var normalised = normalised(x[i], block + "attn_norm.weight");
            queries[i] = turned(times(block + "attn_q.weight", normalised), i);
            keys[i] = turned(times(block + "attn_k.weight", normalised), i);
            values[i] = times(block + "attn_v.weight", normalised);
        }
        var attended = new double[x.length][TinyLlama.HEADS * TinyLlama.HEAD_DIM];
        for (var i = 0; i < x.length; i++) {
            for (var head = 0; head < TinyLlama.HEADS; head++) {
                attend(queries[i], keys, values, i, head, attended[i]);
            }
        }
        return attended;
    }

    private static void attend(
            double[] query, double[][] keys, double[][] values, int position, int head, double[] attended) {
        var dim = TinyLlama.HEAD_DIM;
        var kvHead = head / (TinyLlama.HEADS / TinyLlama.KV_HEADS);
        var weights = new double[position + 1];
        var total = 0.0;
        for (var j = 0; j <= position; j++) {
            var score = 0.0;
            for (var d = 0; d < dim; d++) {
                score += query[head * dim + d] * keys[j][kvHead * dim + d];
            }
            weights[j] = Math.exp(score / Math.sqrt(dim));
            total += weights[j];
        }
        for (var j = 0; j <= position; j++) {
            for (var d = 0; d < dim; d++) {
                attended[head * dim + d] += weights[j] / total * values[j][kvHead * dim + d];
            }
        }
    }

    private double[] turned(double[] x, int position) {
        var turned = new double[x.length];
        for (var i = 0; i < x.length; i += 2) {
            var angle = position * frequencies[i % TinyLlama.HEAD_DIM / 2];
            turned[i] = x[i] * Math.cos(angle) - x[i + 1] * Math.sin(angle);
            turned[i + 1] = x[i] * Math.sin(angle) + x[i + 1] * Math.cos(angle);
        }
        return turned;
    }

    private double[] feedForward(double[] x, String block) {
        var normalised = normalised(x, block + "ffn_norm.weight");
        var gate = times(block + "ffn_gate.weight", normalised);
        var up = times(block + "ffn_up.weight", normalised);
        for (var i = 0; i < gate.length; i++) {
            gate[i] = gate[i] / (1 + Math.exp(-gate[i])) * up[i];
        }
        return times(block + "ffn_down.weight", gate);
    }

    private double[] normalised(double[] x, String norm) {
        var squares = 0.0;
        for (var value : x) {
            squares += value * value;
        }
        var scale = 1 / Math.sqrt(squares / x.length + TinyLlama.EPSILON);
        var weights = model.weights(norm);
        var normalised = new double[x.length];
        for (var i = 0; i < x.length; i++) {
            normalised[i] = x[i] * scale * weights[i];
        }
        return normalised;
    }

    private double[] times(String matrix, double[] x) {
        var weights = model.weights(matrix);
        var product = new double[weights.length / x.length];
        for (var row = 0; row < product.length; row++) {
            for (var i = 0; i < x.length; i++) {
                product[row] += weights[row * x.length + i] * x[i];
            }
        }
        return product;
    }

    private double[] row(String matrix, int row, int columns) {
        var weights = model.weights(matrix);
        var values = new double[columns];
        for (var i = 0; i < columns; i++) {
            values[i] = weights[row * columns + i];
        }
        return values;
    }

    private static void add(double[] x, double[] y) {
        for (var i = 0; i < x.length; i++) {
            x[i] += y[i];
        }
    }
}
