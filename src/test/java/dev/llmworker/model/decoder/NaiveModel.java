package dev.llmworker.model.decoder;

import dev.llmworker.model.Attention;
import dev.llmworker.model.Attention.HeadNorm;
import dev.llmworker.model.DeltaNet;
import dev.llmworker.model.FeedForward;
import dev.llmworker.model.FeedForward.Experts.Scoring;
import dev.llmworker.model.LayerTensors;
import dev.llmworker.model.ModelConfig;
import dev.llmworker.model.Rope;
import dev.llmworker.model.loading.ExpertMatrices;
import dev.llmworker.weights.StoredModel;
import dev.llmworker.weights.content.ModelFileException;
import dev.llmworker.weights.content.Tensor;
import dev.llmworker.weights.content.TensorType;
import java.lang.foreign.Arena;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.stream.DoubleStream;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/// A described model computed in doubles by plain loops over the formulas, without a cache. It shows whether a
/// description is right without any of the programs.
final class NaiveModel {
    private final StoredModel model;
    private final ModelConfig config;
    /// By layer and position, keys with their rotary positions, and values.
    private final List<double[][]> keys = new ArrayList<>();

    private final List<double[][]> allValues = new ArrayList<>();
    private final Map<String, double[]> read = new HashMap<>();

    NaiveModel(StoredModel model, ModelConfig config) {
        this.model = model;
        this.config = config;
    }

    /// The logits after the last of `ids`.
    double[] logits(int... ids) throws ModelFileException {
        var embedding = values("token_embd.weight");
        var x = new double[ids.length][config.hidden()];
        for (var i = 0; i < ids.length; i++) {
            for (var j = 0; j < config.hidden(); j++) {
                x[i][j] = embedding[ids[i] * config.hidden() + j] * config.embeddingScale();
            }
        }
        var inputs = config.layerInput() == 0 ? null : layerInputs(x, ids);
        for (var index = 0; index < config.layers().size(); index++) {
            layer(x, index);
            end(x, index, inputs);
        }
        var last = normalised(x[ids.length - 1], norm("output_norm.weight"));
        var head = model.tensors().containsKey("output.weight") ? "output.weight" : "token_embd.weight";
        var logits = times(values(head), last);
        for (var i = 0; i < logits.length; i++) {
            logits[i] = capped(logits[i] * config.logitScale(), config.logitCap());
        }
        return logits;
    }

    /// Of each token, what all layers take beside the stream.
    private double[][] layerInputs(double[][] x, int[] ids) throws ModelFileException {
        int size = config.layerInput(), all = size * config.layers().size();
        var embedding = values("per_layer_token_embd.weight");
        var inputs = new double[ids.length][all];
        for (var i = 0; i < ids.length; i++) {
            var projected = times(values("per_layer_model_proj.weight"), x[i]);
            for (var j = 0; j < all; j += size) {
                var part = Arrays.stream(projected, j, j + size)
                        .map(value -> value / Math.sqrt(config.hidden()))
                        .toArray();
                part = normalised(part, norm("per_layer_proj_norm.weight"));
                for (var k = 0; k < size; k++) {
                    var embedded = embedding[ids[i] * all + j + k] * Math.sqrt(size);
                    inputs[i][j + k] = (part[k] + embedded) / Math.sqrt(2);
                }
            }
        }
        return inputs;
    }

    private void end(double[][] x, int index, double @Nullable [][] inputs) throws ModelFileException {
        var block = "blk." + index + ".";
        for (var i = 0; i < x.length; i++) {
            if (inputs != null) {
                var size = config.layerInput();
                var gates = times(values(block + "inp_gate.weight"), x[i]);
                var own = Arrays.copyOfRange(inputs[i], index * size, (index + 1) * size);
                var result = times(
                        values(block + "proj.weight"),
                        gated(joined(gates, own), config.layers().get(index).feedForward()));
                add(x[i], normalised(result, norm(block + "post_norm.weight")), 1);
            }
            if (config.layers().get(index).scaled()) {
                var scale = values(block + "layer_output_scale.weight")[0];
                x[i] = Arrays.stream(x[i]).map(value -> value * scale).toArray();
            }
        }
    }

    private static double capped(double x, double cap) {
        return cap == 0 ? x : cap * Math.tanh(x / cap);
    }

    private void layer(double[][] x, int index) throws ModelFileException {
        var layer = config.layers().get(index);
        var tensors = LayerTensors.of(model, config, index);
        var block = tensors.block();
        var inputs = new double[x.length][];
        for (var i = 0; i < x.length; i++) {
            inputs[i] = layer.norms().before() ? normalised(x[i], norm(block + "attn_norm.weight")) : x[i];
        }
        var attended = switch (layer.mixer()) {
            case Attention attention -> attention(inputs, attention, tensors);
            case DeltaNet delta -> delta(inputs, delta, tensors);
        };
        for (var i = 0; i < x.length; i++) {
            var result = attended[i];
            if (layer.norms().after()) {
                result = normalised(result, norm(block + "post_attention_norm.weight"));
            }
            add(x[i], result, layer.residualScale());
            var norm = tensors.vectors().getOrDefault("feed_forward_norm", List.of());
            var input = norm.isEmpty() ? x[i] : normalised(x[i], norm(block + norm.getFirst()));
            result = feedForward(x[i], input, layer.feedForward(), tensors);
            if (layer.norms().after()) {
                result = normalised(result, norm(block + "post_ffw_norm.weight"));
            }
            add(x[i], result, layer.residualScale());
        }
    }

    // Attention.

    private double[][] attention(double[][] inputs, Attention attention, LayerTensors tensors)
            throws ModelFileException {
        var block = tensors.block();
        int queries = attention.queryWidth(), width = attention.keyWidth();
        var joined = new double[inputs.length][];
        for (var i = 0; i < inputs.length; i++) {
            joined[i] = queriesKeysAndValues(inputs[i], attention, tensors);
        }
        var q = new double[inputs.length][];
        var k = attention.hasKeys() ? new double[inputs.length][] : keys.get(attention.keysOf());
        var v = attention.hasKeys() ? new double[inputs.length][] : allValues.get(attention.keysOf());
        keys.add(k);
        allValues.add(v);
        for (var i = 0; i < inputs.length; i++) {
            q[i] = positioned(Arrays.copyOf(joined[i], queries), block + "attn_q_norm.weight", attention, i);
            if (attention.hasKeys()) {
                var key = Arrays.copyOfRange(joined[i], queries, queries + width);
                k[i] = positioned(key, block + "attn_k_norm.weight", attention, i);
                v[i] = Arrays.copyOfRange(joined[i], queries + width, queries + 2 * width);
                if (attention.valuesNormed()) {
                    v[i] = normedHeads(v[i], attention.headDim());
                }
            }
            if (attention.growth() != null) {
                var growth = attention.growth();
                var factor = 1 + growth.beta() * Math.log1p(Math.floorDiv(i, growth.length()));
                q[i] = Arrays.stream(q[i]).map(value -> value * factor).toArray();
            }
        }
        var sinks = attention.sinks() ? values(block + "attn_sinks.weight") : null;
        var attended = new double[inputs.length][];
        for (var i = 0; i < inputs.length; i++) {
            var result = new double[queries];
            for (var head = 0; head < attention.heads(); head++) {
                var sink = sinks == null ? Double.NEGATIVE_INFINITY : sinks[head];
                attend(attention, q[i], k, v, i, head, sink, result);
            }
            if (attention.gated()) {
                var gates = half(projected(block + "attn_q", inputs[i], attention.biased()), attention, 1);
                for (var j = 0; j < queries; j++) {
                    result[j] *= sigmoid(gates[j]);
                }
            }
            attended[i] = projected(block + "attn_output", result, attention.outputBiased());
        }
        return attended;
    }

    private double[] queriesKeysAndValues(double[] input, Attention attention, LayerTensors tensors)
            throws ModelFileException {
        var block = tensors.block();
        if (tensors.joinsAttention()) {
            var joined = projected(block + tensors.joinedAttention(), input, attention.biased());
            int dim = attention.headDim(), group = attention.heads() / attention.kvHeads();
            return tensors.groupsAttention() ? ungrouped(joined, attention.kvHeads(), group * dim, dim, dim) : joined;
        }
        var queries = half(projected(block + "attn_q", input, attention.biased()), attention, 0);
        if (!attention.hasKeys()) {
            return queries;
        }
        var key = projected(block + "attn_k", input, attention.biased());
        return joined(
                queries, key, attention.valuesAreKeys() ? key : projected(block + "attn_v", input, attention.biased()));
    }

    /// From groups that each have some values of all parts, to the first parts of all groups, then the second ones.
    private static double[] ungrouped(double[] grouped, int groups, int... sizes) {
        int size = IntStream.of(sizes).sum(), before = 0;
        var parts = new ArrayList<double[]>();
        for (var own : sizes) {
            for (var group = 0; group < groups; group++) {
                var start = group * size + before;
                parts.add(Arrays.copyOfRange(grouped, start, start + own));
            }
            before += own;
        }
        return joined(parts.toArray(double[][]::new));
    }

    private double[] normedHeads(double[] heads, int dim) {
        var ones = DoubleStream.generate(() -> 1).limit(dim).toArray();
        var normed = new double[heads.length];
        for (var at = 0; at < heads.length; at += dim) {
            System.arraycopy(normalised(Arrays.copyOfRange(heads, at, at + dim), ones), 0, normed, at, dim);
        }
        return normed;
    }

    /// The queries of all heads, each of which has its gate behind it, or the gates.
    private static double[] half(double[] both, Attention attention, int which) {
        if (!attention.gated()) {
            return both;
        }
        var dim = attention.headDim();
        var half = new double[attention.queryWidth()];
        for (var head = 0; head < attention.heads(); head++) {
            System.arraycopy(both, (2 * head + which) * dim, half, head * dim, dim);
        }
        return half;
    }

    // Gated DeltaNet, token by token.

    private double[][] delta(double[][] inputs, DeltaNet delta, LayerTensors tensors) throws ModelFileException {
        keys.add(new double[0][]);
        allValues.add(new double[0][]);
        var block = tensors.block();
        var mixed = new double[inputs.length][];
        var gates = new double[inputs.length][];
        for (var i = 0; i < inputs.length; i++) {
            var both = deltaInput(inputs[i], delta, tensors);
            mixed[i] = Arrays.copyOf(both, delta.channels());
            gates[i] = Arrays.copyOfRange(both, delta.channels(), both.length);
        }
        var convolution = values(block + "ssm_conv1d.weight");
        var decay = model.fromHub()
                ? Arrays.stream(values(block + LayerTensors.DECAY_OF_HUB))
                        .map(log -> -Math.exp(log))
                        .toArray()
                : values(block + LayerTensors.DECAY);
        var decayBias = values(block + "ssm_dt.bias");
        var matrices = new double[delta.valueHeads()][delta.keyDim()][delta.valueDim()];
        var results = new double[inputs.length][];
        for (var i = 0; i < inputs.length; i++) {
            var row = convolved(mixed, i, convolution, delta);
            var shares = deltaShares(inputs[i], delta, tensors);
            var fades = Arrays.copyOfRange(shares, delta.valueHeads(), shares.length);
            var result = new double[0];
            for (var head = 0; head < delta.valueHeads(); head++) {
                var fade = Math.exp(decay[head] * Math.log1p(Math.exp(fades[head] + decayBias[head])));
                var read = read(matrices[head], row, head, fade, sigmoid(shares[head]), delta);
                read = normalised(read, values(block + "ssm_norm.weight"));
                for (var j = 0; j < read.length; j++) {
                    var gate = gates[i][head * delta.valueDim() + j];
                    read[j] *= gate * sigmoid(gate);
                }
                result = joined(result, read);
            }
            results[i] = projected(block + "ssm_out", result, false);
        }
        return results;
    }

    /// Queries, keys, values and gates.
    private double[] deltaInput(double[] input, DeltaNet delta, LayerTensors tensors) throws ModelFileException {
        var block = tensors.block();
        var values = delta.valueWidth() / delta.keyHeads();
        return tensors.groupsDelta()
                ? ungrouped(
                        projected(block + "ssm_in", input, false),
                        delta.keyHeads(),
                        delta.keyDim(),
                        delta.keyDim(),
                        values,
                        values)
                : joined(projected(block + "attn_qkv", input, false), projected(block + "attn_gate", input, false));
    }

    /// What writing and fading depend on.
    private double[] deltaShares(double[] input, DeltaNet delta, LayerTensors tensors) throws ModelFileException {
        var block = tensors.block();
        var each = delta.valueHeads() / delta.keyHeads();
        return tensors.groupsShares()
                ? ungrouped(projected(block + "ssm_ba", input, false), delta.keyHeads(), each, each)
                : joined(projected(block + "ssm_beta", input, false), projected(block + "ssm_alpha", input, false));
    }

    private static double[] convolved(double[][] mixed, int at, double[] convolution, DeltaNet delta) {
        var row = new double[delta.channels()];
        for (var c = 0; c < row.length; c++) {
            for (var i = 0; i < delta.kernel(); i++) {
                var from = at - delta.kernel() + 1 + i;
                row[c] += from < 0 ? 0 : convolution[c * delta.kernel() + i] * mixed[from][c];
            }
            row[c] *= sigmoid(row[c]);
        }
        return row;
    }

    /// Writes a token into the matrix of a head, and reads what its query finds there.
    private static double[] read(double[][] matrix, double[] row, int head, double fade, double share, DeltaNet delta) {
        var keyHead = delta.tiled() ? head % delta.keyHeads() : head / (delta.valueHeads() / delta.keyHeads());
        var query = unit(row, keyHead * delta.keyDim(), delta.keyDim());
        var key = unit(row, delta.keyWidth() + keyHead * delta.keyDim(), delta.keyDim());
        var value = 2 * delta.keyWidth() + head * delta.valueDim();
        var found = new double[delta.valueDim()];
        for (var j = 0; j < found.length; j++) {
            var known = 0.0;
            for (var d = 0; d < key.length; d++) {
                matrix[d][j] *= fade;
                known += matrix[d][j] * key[d];
            }
            for (var d = 0; d < key.length; d++) {
                matrix[d][j] += key[d] * (row[value + j] - known) * share;
                found[j] += matrix[d][j] * query[d] / Math.sqrt(key.length);
            }
        }
        return found;
    }

    private static double[] unit(double[] row, int from, int size) {
        var part = Arrays.copyOfRange(row, from, from + size);
        var length = Math.sqrt(Arrays.stream(part).map(x -> x * x).sum() + 1e-6);
        return Arrays.stream(part).map(x -> x / length).toArray();
    }

    private static double sigmoid(double x) {
        return 1 / (1 + Math.exp(-x));
    }

    private static void attend(
            Attention attention,
            double[] query,
            double[][] keys,
            double[][] values,
            int position,
            int head,
            double sink,
            double[] result) {
        var dim = attention.headDim();
        var kvHead = head / (attention.heads() / attention.kvHeads());
        var first = attention.window() == 0 ? 0 : Math.max(0, position - attention.window() + 1);
        var weights = new double[position + 1];
        var total = Math.exp(sink);
        for (var j = first; j <= position; j++) {
            var score = 0.0;
            for (var d = 0; d < dim; d++) {
                score += query[head * dim + d] * keys[j][kvHead * dim + d];
            }
            weights[j] = Math.exp(capped(score * attention.scale(), attention.cap()));
            total += weights[j];
        }
        for (var j = first; j <= position; j++) {
            for (var d = 0; d < dim; d++) {
                result[head * dim + d] += weights[j] / total * values[j][kvHead * dim + d];
            }
        }
    }

    /// Queries or keys with their norms and their rotary positions.
    private double[] positioned(double[] x, String norm, Attention attention, int position) throws ModelFileException {
        var dim = attention.headDim();
        var heads = x.length / dim;
        if (attention.norm() == HeadNorm.WHOLE) {
            x = normalised(x, norm(norm));
        }
        for (var head = 0; head < heads; head++) {
            var own = Arrays.copyOfRange(x, head * dim, (head + 1) * dim);
            if (attention.norm() == HeadNorm.EACH) {
                own = normalised(own, norm(norm));
            }
            if (attention.rope() != null) {
                turn(own, attention.rope(), position);
            }
            System.arraycopy(own, 0, x, head * dim, dim);
        }
        return x;
    }

    private static void turn(double[] head, Rope rope, int position) {
        var pairs = rope.frequencies().length;
        for (var i = 0; i < pairs; i++) {
            int a = rope.halfSplit() ? i : 2 * i, b = rope.halfSplit() ? i + pairs : 2 * i + 1;
            var angle = position * rope.frequencies()[i];
            double cos = Math.cos(angle) * rope.strength(), sin = Math.sin(angle) * rope.strength();
            double first = head[a], second = head[b];
            head[a] = first * cos - second * sin;
            head[b] = first * sin + second * cos;
        }
    }

    // The feed-forward block.

    /// @param stream what the block's norm was applied to
    private double[] feedForward(double[] stream, double[] x, FeedForward block, LayerTensors tensors)
            throws ModelFileException {
        var name = tensors.block();
        if (block.experts() == null) {
            var gateUp = tensors.joinedFeedForward()
                    ? times(values(name + "ffn_up.weight"), x)
                    : joined(
                            projected(name + "ffn_gate", x, block.biased()),
                            projected(name + "ffn_up", x, block.biased()));
            return projected(name + "ffn_down", gated(gateUp, block), block.biased());
        }
        var experts = block.experts();
        var routed = experts.apart() ? normalised(stream, values(name + "ffn_gate_inp.scale")) : x;
        var root = experts.apart() ? Math.sqrt(config.hidden()) : 1;
        routed = Arrays.stream(routed).map(value -> value / root).toArray();
        var scores = projected(name + "ffn_gate_inp", routed, experts.routerBiased());
        var input = experts.apart() ? normalised(stream, norm(name + "pre_ffw_norm_2.weight")) : x;
        var scales = experts.scaled() ? values(name + "ffn_down_exps.scale") : null;
        var chosen = IntStream.range(0, experts.count())
                .boxed()
                .sorted(Comparator.comparingDouble(i -> -scores[i]))
                .limit(experts.used())
                .toList();
        var all = experts.scoring() == Scoring.SOFTMAX
                ? Arrays.stream(scores)
                : chosen.stream().mapToDouble(i -> scores[i]);
        var total = all.map(Math::exp).sum();
        var sum = chosen.stream().mapToDouble(i -> Math.exp(scores[i]) / total).sum();
        var result = new double[x.length];
        for (var i : chosen) {
            var weight = Math.exp(scores[i]) / total / (experts.normalised() ? sum : 1) * experts.scale();
            add(result, expert(input, block, tensors, i), weight * (scales == null ? 1 : scales[i]));
        }
        if (experts.apart()) {
            result = normalised(result, norm(name + "post_ffw_norm_2.weight"));
        }
        if (experts.sharedWidth() > 0) {
            var end = experts.apart() ? "" : "_shexp";
            var gateUp =
                    joined(projected(name + "ffn_gate" + end, x, false), projected(name + "ffn_up" + end, x, false));
            var beside = projected(name + "ffn_down" + end, gated(gateUp, block), false);
            if (experts.apart()) {
                add(result, normalised(beside, norm(name + "post_ffw_norm_1.weight")), 1);
            } else {
                add(result, beside, sigmoid(projected(name + "ffn_gate_inp_shexp", x, false)[0]));
            }
        }
        return result;
    }

    private double[] expert(double[] x, FeedForward block, LayerTensors tensors, int index) throws ModelFileException {
        try (var arena = Arena.ofConfined()) {
            var matrices = new ExpertMatrices(model, tensors, arena);
            var gateUp = times(joined(matrices.gateUp(index)), x);
            var count = Objects.requireNonNull(block.experts()).count();
            if (block.biased()) {
                var at = 0;
                for (var biases : matrices.gateUpBiases()) {
                    at = addPart(gateUp, at, values(biases), index, count);
                }
            }
            var result = times(values(matrices.down(index)), gated(gateUp, block));
            if (block.biased()) {
                addPart(result, 0, values(tensors.block() + "ffn_down_exps.bias"), index, count);
            }
            return result;
        }
    }

    /// Adds the part of one of `count` experts to the values from `at` on. Returns where the next ones begin.
    private static int addPart(double[] x, int at, double[] ofAll, int index, int count) {
        var size = ofAll.length / count;
        for (var i = 0; i < size; i++) {
            x[at + i] += ofAll[index * size + i];
        }
        return at + size;
    }

    private static double[] gated(double[] gateUp, FeedForward block) {
        var gated = new double[gateUp.length / 2];
        for (var i = 0; i < gated.length; i++) {
            double gate = gateUp[i], up = gateUp[gated.length + i];
            gated[i] = switch (block.activation()) {
                case SILU -> up * gate / (1 + Math.exp(-gate));
                case GELU ->
                    up * 0.5 * gate * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (gate + 0.044715 * gate * gate * gate)));
                case CLAMPED -> {
                    var bounded = Math.min(gate, 7);
                    yield (Math.clamp(up, -7, 7) + 1) * bounded / (1 + Math.exp(-1.702 * bounded));
                }
            };
        }
        return gated;
    }

    // Arithmetic.

    private double[] projected(String name, double[] x, boolean biased) throws ModelFileException {
        var product = times(values(name + ".weight"), x);
        if (biased) {
            add(product, values(name + ".bias"), 1);
        }
        return product;
    }

    private double[] normalised(double[] x, double[] weights) {
        var squares = Arrays.stream(x).map(value -> value * value).sum();
        var scale = 1 / Math.sqrt(squares / x.length + config.epsilon());
        return IntStream.range(0, x.length)
                .mapToDouble(i -> x[i] * scale * weights[i])
                .toArray();
    }

    private double[] norm(String name) throws ModelFileException {
        var offset = config.normsFromZero() ? 1 : 0;
        return Arrays.stream(values(name)).map(value -> value + offset).toArray();
    }

    private static double[] times(double[] weights, double[] x) {
        var product = new double[weights.length / x.length];
        for (var row = 0; row < product.length; row++) {
            for (var i = 0; i < x.length; i++) {
                product[row] += weights[row * x.length + i] * x[i];
            }
        }
        return product;
    }

    private static double[] joined(List<Tensor> parts) {
        return joined(parts.stream().map(NaiveModel::values).toArray(double[][]::new));
    }

    private static double[] joined(double[]... parts) {
        return Arrays.stream(parts).flatMapToDouble(Arrays::stream).toArray();
    }

    private static void add(double[] x, double[] y, double factor) {
        for (var i = 0; i < x.length; i++) {
            x[i] += factor * y[i];
        }
    }

    private double[] values(String name) throws ModelFileException {
        var known = read.get(name);
        if (known == null) {
            known = values(model.tensor(name));
            read.put(name, known);
        }
        return known;
    }

    private static double[] values(Tensor tensor) {
        var type = tensor.type();
        var values = new double[(int) tensor.elements()];
        if (type == TensorType.F32) {
            for (var i = 0; i < values.length; i++) {
                values[i] = tensor.data().getAtIndex(ValueLayout.JAVA_FLOAT_UNALIGNED, i);
            }
            return values;
        }
        var own = NaiveBlocks.values(type, tensor.data().toArray(ValueLayout.JAVA_BYTE));
        for (var i = 0; i < own.length; i++) {
            values[i] = own[i];
        }
        return values;
    }
}
