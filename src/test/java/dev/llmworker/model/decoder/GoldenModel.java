package dev.llmworker.model.decoder;

import com.fasterxml.jackson.databind.ObjectMapper;
import dev.llmworker.weights.GgufFile;
import java.io.IOException;
import java.util.List;
import java.util.Map;
import java.util.Objects;

/// A tiny random model as a GGUF file, and what transformers makes of it in float32. `golden_architectures.py` writes
/// them.
///
/// @param tensors base, scale and shape by name: [GoldenWeights]
/// @param factors of rotary positions, by the names of their tensors
/// @param ids of a prompt
/// @param greedy the ids that follow
/// @param logits after the prompt
public record GoldenModel(
        String name,
        Map<String, Object> metadata,
        Map<String, double[]> tensors,
        Map<String, float[]> factors,
        int[] ids,
        int[] greedy,
        float[] logits) {

    public static GoldenModel named(String name) throws IOException {
        return all().stream().filter(one -> one.name().equals(name)).findFirst().orElseThrow();
    }

    static List<GoldenModel> all() throws IOException {
        try (var stream = GoldenModel.class.getResourceAsStream("/golden/architectures.json")) {
            return List.of(new ObjectMapper().readValue(stream, GoldenModel[].class));
        }
    }

    String architecture() {
        return (String) Objects.requireNonNull(metadata.get("general.architecture"));
    }

    /// The same model for another context.
    public GoldenModel withContext(int length) {
        metadata.put(architecture() + ".context_length", length);
        return this;
    }

    public GgufFile file() {
        var file = metadataOnly();
        for (var tensor : GoldenWeights.of(tensors)) {
            file.floats(tensor.name(), tensor.values(), tensor.shape());
        }
        factors.forEach((name, values) -> file.floats(name, values, values.length));
        return file;
    }

    /// The file without its tensors.
    GgufFile metadataOnly() {
        var file = new GgufFile();
        metadata.forEach((key, value) -> {
            switch (value) {
                case String text -> file.string(key, text);
                case Integer integer -> file.integer(key, integer);
                case Boolean flag -> file.flag(key, flag);
                case Number number -> file.number(key, number.floatValue());
                case List<?> numbers
                when numbers.getFirst() instanceof Integer ->
                    file.integers(
                            key,
                            numbers.stream()
                                    .mapToInt(number -> (Integer) number)
                                    .toArray());
                case List<?> flags ->
                    file.flags(key, flags.stream().map(Boolean.TRUE::equals).toList());
                default -> throw new IllegalArgumentException(key + " is " + value);
            }
        });
        return file;
    }

    @Override
    public String toString() {
        return name;
    }
}
