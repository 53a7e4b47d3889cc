package dev.llmworker.model.architecture;

import dev.llmworker.model.Attention.Growth;
import dev.llmworker.model.Attention.HeadNorm;
import dev.llmworker.model.FeedForward.Activation;
import dev.llmworker.model.FeedForward.Experts.Scoring;
import dev.llmworker.model.Layer;
import dev.llmworker.model.Layer.Norms;
import dev.llmworker.model.ModelConfig;
import dev.llmworker.model.architecture.Architecture.Files;
import dev.llmworker.weights.StoredModel;
import dev.llmworker.weights.content.Metadata;
import dev.llmworker.weights.content.ModelFileException;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Collectors;

/// The supported architectures.
public final class Architectures {
    /// Of the models of Gemma whose scores have a scale of their own, which GGUF files do not have: the 27B ones.
    private static final int LAYERS_OF_GEMMA2_27B = 46;

    private static final int LAYERS_OF_GEMMA3_27B = 62;
    private static final double GEMMA_LOCAL_BASE = 10_000;
    private static final int DELTA_INTERVAL = 4;

    private static final List<Architecture> ALL = List.of(
            new Architecture(
                    "llama",
                    "Llama 2 and 3, SmolLM2, TinyLlama, Mistral, Mixtral, Granite Code, InternLM 3",
                    Files.OF_HUB,
                    _ -> {},
                    (model, index) -> mixed(model, index, model.keys.count("expert_count", Keys.MAX_SIZE, 0) > 0)),
            new Architecture("qwen2", "Qwen 2 and 2.5", Files.ALL, model -> model.biased = true),
            new Architecture("qwen3", "Qwen 3", Files.ALL, model -> model.headNorm = HeadNorm.EACH),
            new Architecture(
                    "qwen3moe",
                    "Qwen 3 with experts",
                    Files.ALL,
                    model -> model.headNorm = HeadNorm.EACH,
                    (model, index) -> mixed(model, index, true)),
            delta("qwen35", "Qwen 3.5 and 3.6", false, true),
            delta("qwen35moe", "Qwen 3.5 and 3.6 with experts", true, true),
            delta("qwen3next", "Qwen3-Next", true, false),
            // Llama, but one layer of four does not know positions.
            new Architecture("smollm3", "SmolLM3", Files.OF_HUB, model -> model.turningPattern = 4),
            new Architecture("granite", "Granite 3", Files.OF_HUB, Architectures::granite),
            // In OLMo 3, three layers of four have a window, and their rotary positions are not scaled.
            new Architecture("olmo2", "OLMo 2 and 3", Files.ALL, model -> {
                model.norms = Norms.AFTER;
                model.headNorm = HeadNorm.WHOLE;
                model.slidingPattern = 4;
                model.slidingUnscaled = true;
            }),
            // Llama with joined matrices, which LayerTensors finds.
            new Architecture("phi3", "Phi 3, 3.5 and 4", Files.ALL, _ -> {}),
            new Architecture("glm4", "GLM 4", Files.NONE, Architectures::glm4),
            // In the 32B model three layers of four have a window, and only these know positions.
            new Architecture("exaone4", "EXAONE 4", Files.ALL, model -> {
                model.norms = Norms.AFTER;
                model.headNorm = HeadNorm.EACH;
                model.slidingPattern = 4;
                model.turnsInWindowsOnly = true;
            }),
            // Llama whose queries grow with their position.
            new Architecture("mistral3", "Ministral 3", Files.OF_HUB, model -> {
                var beta = model.keys.notNegative("attention.temperature_scale", 0);
                model.growth = beta == 0 ? null : new Growth(beta, model.ropes.originalLength());
            }),
            new Architecture("gemma2", "Gemma 2", Files.ALL, Architectures::gemma2),
            new Architecture("gemma3", "Gemma 3", Files.ALL, Architectures::gemma3),
            new Architecture("gemma-embedding", "EmbeddingGemma", Files.ALL, model -> {
                gemma3(model);
                model.bidirectional = true;
            }),
            new Architecture(
                    "gemma4",
                    "Gemma 4",
                    Files.ALL,
                    Architectures::gemma4,
                    (model, index) ->
                            mixed(model, index, model.keys.hasTensor("blk." + index + ".ffn_gate_inp.weight"))),
            new Architecture(
                    "gpt-oss",
                    "gpt-oss",
                    Files.ALL,
                    Architectures::gptOss,
                    (model, index) -> model.layer(
                            index, model.attention(index), model.experts(index, Scoring.SOFTMAX_OF_CHOSEN))),
            // Llama whose heads turn in pairs of neighbours, also in files of transformers.
            new Architecture("ernie4_5", "ERNIE 4.5", Files.NONE, _ -> {}),
            // Llama whose queries, keys and values are one matrix, which LayerTensors finds.
            new Architecture("internlm2", "InternLM 2 and 2.5", Files.OF_HUB, _ -> {}));

    private Architectures() {}

    /// Opens a model. One of another family is refused by its name, whatever else its files have that is not supported.
    ///
    /// @throws ModelFileException if it is not a valid model of one of these families
    /// @throws IOException if it cannot be read
    public static StoredModel open(Path path) throws IOException {
        return StoredModel.open(path, Architectures::of);
    }

    /// @throws ModelFileException if the model is of another family or has a part that is not supported
    public static ModelConfig describe(StoredModel model) throws ModelFileException {
        return Description.of(model, of(model.metadata()));
    }

    private static Architecture of(Metadata metadata) throws ModelFileException {
        var key = "general.architecture";
        var name = metadata.string(key);
        for (var architecture : ALL) {
            if (architecture.name().equals(name)) {
                return architecture;
            }
        }
        throw metadata.problem(key, "is " + metadata.written(key) + "; supported: " + supported());
    }

    /// The names of all, with the models of each.
    public static String supported() {
        return ALL.stream()
                .map(architecture -> architecture.name() + " (" + architecture.models() + ")")
                .collect(Collectors.joining(", "));
    }

    /// A layer with attention, and with experts or one feed-forward block.
    private static Layer mixed(Description model, int index, boolean experts) throws ModelFileException {
        return model.layer(
                index,
                model.attention(index),
                experts ? model.experts(index, Scoring.SOFTMAX) : model.feedForward(index));
    }

    /// Three layers of four are recurrent ([dev.llmworker.model.DeltaNet]); the others have attention with an
    /// output gate.
    ///
    /// @param tiled whether GGUF files have the heads of values in this order
    private static Architecture delta(String name, String models, boolean experts, boolean tiled) {
        return new Architecture(
                name,
                models,
                Files.ALL,
                model -> {
                    model.headNorm = HeadNorm.EACH;
                    model.gated = true;
                    model.normsFromZero = model.fromHub;
                },
                (model, index) -> {
                    var interval = model.keys.size("full_attention_interval", Integer.MAX_VALUE, DELTA_INTERVAL);
                    var recurrent = model.keys.flag("attention.recurrent_layers", index, (index + 1) % interval != 0);
                    return model.layer(
                            index,
                            recurrent ? model.deltaNet(tiled && !model.fromHub) : model.attention(index),
                            experts ? model.experts(index, Scoring.SOFTMAX) : model.feedForward(index));
                });
    }

    /// Llama with four multipliers. Its logits are divided by the last one.
    private static void granite(Description model) throws ModelFileException {
        model.embeddingScale = model.keys.positive("embedding_scale", 1);
        model.residualScale = model.keys.positive("residual_scale", 1);
        model.logitScale = 1 / model.keys.positive("logit_scale", 1);
        // llama.cpp reads this as a switch for rotary positions.
        if (!model.keys.flag("rope.scaling.finetuned", true)) {
            throw model.keys.problem("rope.scaling.finetuned", "is false; supported: models with rotary positions");
        }
    }

    /// Half of each head turns, in pairs of neighbours.
    private static void glm4(Description model) throws ModelFileException {
        model.norms = Norms.AROUND;
        if (model.keys.has("rope.dimension_sections")) {
            throw model.keys.problem("rope.dimension_sections", "is set; only text models are supported");
        }
    }

    /// Every other layer has a window. Scores and logits have caps.
    private static void gemma2(Description model) throws ModelFileException {
        gemma(model, LAYERS_OF_GEMMA2_27B);
        model.slidingPattern = 2;
        model.capsScores = true;
        // In config.json, null means that there is no cap.
        if (!model.fromHub) {
            model.scoreCap = 50;
            model.logitCap = 30;
        }
    }

    /// Five layers of six have a window, and rotary positions of their own, which are not scaled.
    private static void gemma3(Description model) throws ModelFileException {
        gemma(model, LAYERS_OF_GEMMA3_27B);
        model.headNorm = HeadNorm.EACH;
        localPositions(model);
    }

    /// Most layers have a window, smaller heads, and rotary positions of their own. The last layers may read the
    /// keys and values of earlier ones. Small models have a second embedding, of which each layer takes a part.
    /// The model with experts has a block for all tokens beside them.
    private static void gemma4(Description model) {
        model.embeddingScale = Math.sqrt(model.hidden);
        model.norms = Norms.AROUND;
        model.activation = Activation.GELU;
        model.headNorm = HeadNorm.EACH;
        model.valuesNormed = true;
        model.valuesMayBeKeys = true;
        model.scale = 1;
        model.expertsApart = true;
        localPositions(model);
    }

    private static void localPositions(Description model) {
        model.slidingPattern = 6;
        model.slidingBase = GEMMA_LOCAL_BASE;
        model.slidingUnscaled = true;
    }

    /// @param ownScale layers of the model whose scores are scaled by the values that a head could have
    private static void gemma(Description model, int ownScale) throws ModelFileException {
        model.embeddingScale = Math.sqrt(model.hidden);
        model.normsFromZero = model.fromHub;
        model.norms = Norms.AROUND;
        model.activation = Activation.GELU;
        if (model.layers == ownScale) {
            var heads = model.keys.sizeOf(0, "attention.head_count", Keys.MAX_SIZE);
            model.scale = 1 / Math.sqrt((double) model.hidden / heads);
        }
    }

    /// Every other layer has a window. Heads have sinks; all layers have experts.
    private static void gptOss(Description model) {
        model.activation = Activation.CLAMPED;
        model.slidingPattern = 2;
        model.sinks = true;
        // The model's own code has it so, but GGUF has no key for it.
        model.ropes.truncated = false;
    }
}
