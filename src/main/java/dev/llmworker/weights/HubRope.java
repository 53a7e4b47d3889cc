package dev.llmworker.weights;

import com.fasterxml.jackson.databind.JsonNode;
import java.lang.foreign.Arena;

/// Reads the rotary positions in `config.json`: `rope_theta` and `rope_scaling`. Later versions of transformers
/// have both in `rope_parameters`.
final class HubRope {
    private static final double DEFAULT_BASE = 10_000;
    private static final int MAX_HEAD_DIM = 1 << 20;

    private final JsonFile json;
    private final String prefix;
    private final String name;
    private final JsonNode parameters;

    HubRope(JsonFile json, String prefix) {
        this.json = json;
        this.prefix = prefix;
        name = json.has("rope_parameters") ? "rope_parameters" : "rope_scaling";
        parameters = json.get(name);
    }

    /// Adds to the metadata what a GGUF file would have.
    void put(HubConfig config) throws ModelFileException {
        for (var parameter : parameters.properties()) {
            if (parameter.getValue().isContainerNode()) {
                throw json.problem(
                        name + "." + parameter.getKey(),
                        "is neither a number nor text; supported: one rotation for all layers");
            }
        }
        var inside = parameters.hasNonNull("rope_theta");
        config.put(
                "rope.freq_base",
                inside ? name + ".rope_theta" : "rope_theta",
                inside ? parameters.get("rope_theta") : json.get("rope_theta"));
        switch (type()) {
            // The dynamic kind only differs beyond the context that the model was trained for.
            case "default", "dynamic", "llama3" -> {}
            case "linear" -> config.put("rope.scaling.factor", name + ".factor", parameters.path("factor"));
            default ->
                throw json.problem(
                        name + ".rope_type", "is " + type() + "; supported: default, linear, dynamic, llama3");
        }
    }

    private String type() {
        var type = parameters.path("rope_type");
        return type.isMissingNode() ? parameters.path("type").asText("default") : type.asText();
    }

    boolean isLlama3() {
        return type().equals("llama3");
    }

    /// The factor by which each pair of a head turns slower than without scaling: `rope_freqs.weight`, as
    /// llama.cpp's converter writes it. Only low frequencies are scaled: only they exceed the trained range.
    Tensor llama3Factors(Metadata metadata, Arena arena) throws ModelFileException {
        var factor = number("factor");
        var low = number("low_freq_factor");
        var high = number("high_freq_factor");
        var trained = number("original_max_position_embeddings");
        if (!(high > low)) {
            throw json.problem(
                    name + ".high_freq_factor", "is " + high + "; it must be above low_freq_factor, which is " + low);
        }
        var base = metadata.number(prefix + "rope.freq_base", (float) DEFAULT_BASE);
        var headDim = headDim(metadata);
        var data = arena.allocate((long) headDim / 2 * Float.BYTES);
        for (var i = 0; i < headDim / 2; i++) {
            var wavelength = 2 * Math.PI * Math.pow(base, 2.0 * i / headDim);
            var turns = trained / wavelength;
            var share = Math.clamp((turns - low) / (high - low), 0, 1);
            var slowdown = 1 / ((1 - share) / factor + share);
            data.set(ValueType.INT, (long) i * Float.BYTES, Float.floatToRawIntBits((float) slowdown));
        }
        return new Tensor(json.file(), "rope_freqs.weight", TensorType.F32, new long[] {headDim / 2}, data);
    }

    private int headDim(Metadata metadata) throws ModelFileException {
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
            throw json.problem(
                    name + "." + parameter,
                    "is " + parameters.path(parameter) + "; Llama 3's scaling takes a number above 0");
        }
        return number;
    }
}
