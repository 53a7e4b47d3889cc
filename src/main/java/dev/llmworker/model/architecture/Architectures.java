package dev.llmworker.model.architecture;

import dev.llmworker.model.ModelConfig;
import dev.llmworker.weights.ModelFileException;
import dev.llmworker.weights.StoredModel;
import java.util.List;
import java.util.stream.Collectors;

/// The supported architectures.
public final class Architectures {
    private static final List<Architecture> ALL = List.of(
            new Llama(),
            new Qwen2(),
            new Qwen3(),
            new Qwen3Moe(),
            new Qwen35("qwen35", "Qwen 3.5 and 3.6", false, true),
            new Qwen35("qwen35moe", "Qwen 3.5 and 3.6 with experts", true, true),
            new Qwen35("qwen3next", "Qwen3-Next", true, false),
            new SmolLm3(),
            new Granite(),
            new Olmo2(),
            new Phi3(),
            new Glm4(),
            new Exaone4(),
            new Mistral3(),
            new Gemma2(),
            new Gemma3(),
            new Gemma4(),
            new GptOss(),
            new Ernie45(),
            new InternLm2());

    private Architectures() {}

    /// @throws ModelFileException if the model is of another family or has a part that is not supported
    public static ModelConfig describe(StoredModel model) throws ModelFileException {
        var name = model.metadata().string("general.architecture");
        for (var architecture : ALL) {
            if (architecture.name().equals(name)) {
                return Description.of(model, architecture);
            }
        }
        throw model.metadata().problem("general.architecture", "is " + name + "; supported: " + supported());
    }

    /// The names of all, with the models of each.
    public static String supported() {
        return ALL.stream()
                .map(architecture -> architecture.name() + " (" + architecture.models() + ")")
                .collect(Collectors.joining(", "));
    }
}
