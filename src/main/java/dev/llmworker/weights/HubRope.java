package dev.llmworker.weights;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.MissingNode;
import dev.llmworker.weights.content.Metadata;
import dev.llmworker.weights.content.ModelFileException;
import dev.llmworker.weights.content.Tensor;
import dev.llmworker.weights.content.TensorType;
import dev.llmworker.weights.content.Value;
import dev.llmworker.weights.content.ValueType;
import java.lang.foreign.Arena;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;

/// Reads the rotary positions in `config.json`: `rope_theta` and `rope_scaling`. Later versions of transformers
/// have both in `rope_parameters`, for all layers or for each of the two kinds of layers.
///
/// Source: `modeling_rope_utils.py` of transformers.
final class HubRope {
    private static final double DEFAULT_BASE = 10_000;
    /// The factor of a pair that does not turn.
    private static final float STILL = 1e30f;
    private static final int MAX_HEAD_DIM = 1 << 20;
    private static final String FULL = "full_attention";
    private static final String SLIDING = "sliding_attention";
    private static final String PROPORTIONAL = "proportional";
    private static final String PARTIAL = "partial_rotary_factor";
    /// What layers with a window have of their own.
    private static final Set<String> OWN = Set.of("rope_type", "type", "rope_theta");

    private static final Set<String> KNOWN = Set.of(
            "rope_type",
            "type",
            "rope_theta",
            "partial_rotary_factor",
            "factor",
            "original_max_position_embeddings",
            "max_position_embeddings",
            "low_freq_factor",
            "high_freq_factor",
            "attention_factor",
            "beta_fast",
            "beta_slow",
            "truncate",
            "mscale",
            "mscale_all_dim",
            "long_factor",
            "short_factor",
            "llama_4_scaling_beta",
            "finetuned");

    private final HubFields fields;
    private final Metadata metadata;
    private final String prefix;
    private final String name;
    /// Of all layers, or of those without a window.
    private final JsonNode parameters;
    /// Of layers with a window, if they have their own.
    private final JsonNode sliding;

    /// @param metadata has the sizes of the heads
    HubRope(HubFields fields, Metadata metadata, String prefix) {
        this.fields = fields;
        this.metadata = metadata;
        this.prefix = prefix;
        var field = fields.has("rope_parameters") ? "rope_parameters" : "rope_scaling";
        var all = fields.get(field);
        var nested = all.has(FULL);
        name = nested ? field + "." + FULL : field;
        parameters = nested ? all.get(FULL) : all;
        sliding = all.path(SLIDING);
    }

    /// Adds to the metadata what a GGUF file would have.
    void put(HubConfig config) throws ModelFileException {
        for (var parameter : parameters.properties()) {
            if (!KNOWN.contains(parameter.getKey()) && !fields.owns(parameter.getKey())) {
                throw problem(parameter.getKey(), "is not supported");
            }
        }
        bases(config);
        partial(config);
        config.put(
                "attention.temperature_scale", name + ".llama_4_scaling_beta", parameters.path("llama_4_scaling_beta"));
        switch (type(parameters)) {
            // The dynamic kind only differs beyond the context that the model was trained for.
            case "default", "dynamic", "llama3", PROPORTIONAL -> {}
            case "linear" -> {
                config.put("rope.scaling.type", name + ".rope_type", new Value.Text("linear"));
                config.put("rope.scaling.factor", name + ".factor", Value.number(number("factor")));
            }
            case "yarn" -> yarn(config);
            case "longrope", "su" -> longRope(config);
            default ->
                throw problem(
                        "rope_type",
                        "is " + type(parameters)
                                + "; supported: default, linear, dynamic, llama3, yarn, longrope, proportional");
        }
    }

    /// How many values of a head turn, if not all.
    private void partial(HubConfig config) throws ModelFileException {
        var share = partial(parameters);
        if (isNone(share) || type(parameters).equals(PROPORTIONAL)) {
            return;
        }
        var headDim = headDim();
        var turning = share.isNumber() ? (int) (headDim * share.asDouble()) : 0;
        if (turning < 2 || turning % 2 != 0 || turning > headDim) {
            throw fields.problem(
                    PARTIAL,
                    "is " + share + "; of the " + headDim + " values of a head, an even number from 2 on must turn");
        }
        config.put("rope.dimension_count", PARTIAL, Value.integer(turning));
    }

    private JsonNode partial(JsonNode kind) {
        return kind.has(PARTIAL) ? kind.get(PARTIAL) : fields.get(PARTIAL);
    }

    private void bases(HubConfig config) throws ModelFileException {
        var inside = parameters.hasNonNull("rope_theta");
        config.put(
                "rope.freq_base",
                inside ? name + ".rope_theta" : "rope_theta",
                inside ? parameters.get("rope_theta") : fields.get("rope_theta"));
        var key = "rope.freq_base_swa";
        if (sliding.isMissingNode()) {
            config.put(key, "rope_local_base_freq", fields.get("rope_local_base_freq"));
            return;
        }
        config.put(key, SLIDING + ".rope_theta", sliding.path("rope_theta"));
        var unscaled = type(sliding).equals("default");
        if (!unscaled && !type(sliding).equals(type(parameters))) {
            throw fields.problem(SLIDING, "is " + sliding + "; supported: as " + FULL + ", or not scaled");
        }
        var names = new TreeSet<String>();
        sliding.fieldNames().forEachRemaining(names::add);
        if (unscaled) {
            config.put("rope.unscaled_swa", SLIDING, Value.flag(true));
        } else {
            parameters.fieldNames().forEachRemaining(names::add);
        }
        names.add(PARTIAL);
        names.removeAll(OWN);
        for (var parameter : names) {
            checkSliding(parameter, unscaled);
        }
    }

    /// Layers with a window may have a base of their own, but no other parameter.
    private void checkSliding(String parameter, boolean unscaled) throws ModelFileException {
        var own = parameter.equals(PARTIAL) ? partial(sliding) : sliding.path(parameter);
        var proportional = type(parameters).equals(PROPORTIONAL);
        var others = parameter.equals(PARTIAL) && !proportional
                ? partial(parameters)
                : parameters.path(proportional ? "none" : parameter);
        // Without scaling, the other parameters mean nothing, so there should be none.
        var expected = unscaled && !parameter.equals(PARTIAL) ? MissingNode.getInstance() : others;
        if (!same(own, expected)) {
            throw fields.problem(
                    SLIDING + "." + parameter,
                    "is " + shown(own) + "; supported here: " + shown(expected) + ", and any rope_theta");
        }
    }

    /// Whether two parameters mean the same. Each that is missing is 1 where it is a factor.
    private static boolean same(JsonNode one, JsonNode other) {
        var missing = isNone(one) && isNone(other);
        var numbers = (isNone(one) || one.isNumber()) && (isNone(other) || other.isNumber());
        return missing || (numbers ? one.asDouble(1) == other.asDouble(1) : one.equals(other));
    }

    private static boolean isNone(JsonNode node) {
        return node.isMissingNode() || node.isNull();
    }

    private static String shown(JsonNode node) {
        return isNone(node) ? "none" : node.toString();
    }

    private static String type(JsonNode parameters) {
        var type = parameters.path("rope_type");
        return type.isMissingNode() ? parameters.path("type").asText("default") : type.asText();
    }

    private void yarn(HubConfig config) throws ModelFileException {
        var original = original();
        var factor = parameters.hasNonNull("factor") ? number("factor") : trained() / original;
        config.put("rope.scaling.type", name + ".rope_type", new Value.Text("yarn"));
        config.put("rope.scaling.factor", name + ".factor", Value.number(factor));
        config.put("rope.scaling.original_context_length", name, Value.integer((long) original));
        config.put("rope.scaling.yarn_beta_fast", name + ".beta_fast", parameters.path("beta_fast"));
        config.put("rope.scaling.yarn_beta_slow", name + ".beta_slow", parameters.path("beta_slow"));
        config.put("rope.scaling.yarn_truncate", name + ".truncate", parameters.path("truncate"));
        config.put("rope.scaling.strength", name + ".attention_factor", Value.number(yarnStrength(factor)));
        // As in vLLM, the scaled context is the one that counts.
        if (original * factor > trained()) {
            config.put("context_length", name + ".factor", Value.integer((long) (original * factor)));
        }
    }

    private double yarnStrength(double factor) throws ModelFileException {
        if (parameters.hasNonNull("attention_factor")) {
            return number("attention_factor");
        }
        var multiplier = parameters.path("mscale").asDouble(0);
        var all = parameters.path("mscale_all_dim").asDouble(0);
        return multiplier == 0 || all == 0
                ? yarnStrength(factor, 1)
                : yarnStrength(factor, multiplier) / yarnStrength(factor, all);
    }

    private static double yarnStrength(double factor, double multiplier) {
        return factor <= 1 ? 1 : 0.1 * multiplier * Math.log(factor) + 1;
    }

    private void longRope(HubConfig config) throws ModelFileException {
        var original = original();
        var factor = parameters.hasNonNull("factor") ? number("factor") : trained() / original;
        var strength = factor <= 1 ? 1 : Math.sqrt(1 + Math.log(factor) / Math.log(original));
        config.put("rope.scaling.type", name + ".rope_type", new Value.Text("longrope"));
        config.put("rope.scaling.original_context_length", name, Value.integer((long) original));
        config.put(
                "rope.scaling.attn_factor",
                name + ".attention_factor",
                Value.number(parameters.hasNonNull("attention_factor") ? number("attention_factor") : strength));
    }

    private double trained() throws ModelFileException {
        return metadata.integer(prefix + "context_length");
    }

    /// The context before it was extended.
    private double original() throws ModelFileException {
        var field = "original_max_position_embeddings";
        if (parameters.hasNonNull(field)) {
            return number(field);
        }
        return fields.has(field) ? fields.get(field).asDouble() : trained();
    }

    /// The tensors that GGUF has of these numbers: by which factor each pair of a head turns slower.
    List<Tensor> factors(Arena arena) throws ModelFileException {
        return switch (type(parameters)) {
            case "llama3" -> List.of(llama3Factors(arena));
            case PROPORTIONAL -> List.of(proportionalFactors(arena));
            case "longrope", "su" ->
                List.of(
                        listed("rope_factors_long.weight", "long_factor", arena),
                        listed("rope_factors_short.weight", "short_factor", arena));
            default -> List.of();
        };
    }

    /// As llama.cpp's converter writes them. Only low frequencies are scaled: only they exceed the trained range.
    private Tensor llama3Factors(Arena arena) throws ModelFileException {
        var factor = number("factor");
        var low = number("low_freq_factor");
        var high = number("high_freq_factor");
        var trained = number("original_max_position_embeddings");
        if (!(high > low)) {
            throw problem("high_freq_factor", "is " + high + "; it must be above low_freq_factor, which is " + low);
        }
        var base = metadata.number(prefix + "rope.freq_base", (float) DEFAULT_BASE);
        var turning = metadata.integer(prefix + "rope.dimension_count", headDim());
        var slowdowns = new float[turning / 2];
        for (var i = 0; i < slowdowns.length; i++) {
            var wavelength = 2 * Math.PI * Math.pow(base, 2.0 * i / turning);
            var turns = trained / wavelength;
            var share = Math.clamp((turns - low) / (high - low), 0, 1);
            slowdowns[i] = (float) (1 / ((1 - share) / factor + share));
        }
        return vector("rope_freqs.weight", slowdowns, arena);
    }

    /// As llama.cpp's converter writes them: the pairs of a share of the head turn, by frequencies as if all did.
    private Tensor proportionalFactors(Arena arena) throws ModelFileException {
        var share = partial(parameters).asDouble(1);
        var factor = parameters.hasNonNull("factor") ? number("factor") : 1;
        var headDim = headDim();
        var slowdowns = new float[headDim / 2];
        for (var i = 0; i < slowdowns.length; i++) {
            slowdowns[i] = i < (int) (share * headDim) / 2 ? (float) factor : STILL;
        }
        return vector("rope_freqs.weight", slowdowns, arena);
    }

    private Tensor listed(String tensor, String parameter, Arena arena) throws ModelFileException {
        var list = parameters.path(parameter);
        if (list.isEmpty() || list.size() > MAX_HEAD_DIM) {
            throw problem(parameter, "has " + list.size() + " numbers; expected one for each pair of a head");
        }
        var factors = new float[list.size()];
        for (var i = 0; i < factors.length; i++) {
            factors[i] = (float) list.get(i).asDouble();
        }
        return vector(tensor, factors, arena);
    }

    private Tensor vector(String tensor, float[] values, Arena arena) {
        var data = arena.allocate((long) values.length * Float.BYTES);
        for (var i = 0; i < values.length; i++) {
            data.set(ValueType.INT, (long) i * Float.BYTES, Float.floatToRawIntBits(values[i]));
        }
        return new Tensor(fields.file().file(), tensor, TensorType.F32, new long[] {values.length}, data);
    }

    private int headDim() throws ModelFileException {
        var heads = metadata.integer(prefix + "attention.head_count");
        if (heads < 1) {
            throw metadata.problem(prefix + "attention.head_count", "is " + heads + "; expected 1 or more");
        }
        var key = prefix + "attention.key_length";
        var headDim = metadata.integer(key, metadata.integer(prefix + "embedding_length") / heads);
        if (headDim < 2 || headDim > MAX_HEAD_DIM) {
            throw metadata.problem(key, "is " + headDim + "; expected 2 to " + MAX_HEAD_DIM);
        }
        return headDim;
    }

    private double number(String parameter) throws ModelFileException {
        var number = parameters.path(parameter).asDouble(0);
        if (!parameters.path(parameter).isNumber() || !(number > 0) || !Double.isFinite(number)) {
            throw problem(
                    parameter,
                    "is " + parameters.path(parameter) + "; " + type(parameters) + " takes a number above 0");
        }
        return number;
    }

    private ModelFileException problem(String parameter, String problem) {
        return fields.problem(name + "." + parameter, problem);
    }
}
