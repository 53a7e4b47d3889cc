package dev.llmworker.model;

import dev.llmworker.weights.Metadata;
import dev.llmworker.weights.ModelFileException;
import java.util.Arrays;
import java.util.stream.Collectors;

/// The supported families of models, and how they differ.
public enum Architecture {
    LLAMA("Llama 2 and 3, SmolLM2, TinyLlama, Mistral", false, false, false),
    QWEN2("Qwen 2 and 2.5", true, true, false),
    QWEN3("Qwen 3", true, false, true);

    private final String models;
    private final boolean halfSplit;
    private final boolean biased;
    private final boolean normalisesHeads;

    Architecture(String models, boolean halfSplit, boolean biased, boolean normalisesHeads) {
        this.models = models;
        this.halfSplit = halfSplit;
        this.biased = biased;
        this.normalisesHeads = normalisesHeads;
    }

    /// @throws ModelFileException when it is another one, with the list of those that work
    public static Architecture of(Metadata metadata) throws ModelFileException {
        var name = metadata.string("general.architecture");
        for (var architecture : values()) {
            if (architecture.ggufName().equals(name)) {
                return architecture;
            }
        }
        throw metadata.problem("general.architecture", "is " + name + "; supported: " + supported());
    }

    /// As in `general.architecture` and before each of its keys.
    public String ggufName() {
        return switch (this) {
            case LLAMA -> "llama";
            case QWEN2 -> "qwen2";
            case QWEN3 -> "qwen3";
        };
    }

    /// Whether GGUF files have the rows of queries and keys in the order of [Rope#halfSplit()].
    public boolean halfSplit() {
        return halfSplit;
    }

    /// Whether queries, keys and values always have a bias.
    public boolean biased() {
        return biased;
    }

    /// Whether each head of queries and keys has an RMS norm before the rotary positions.
    public boolean normalisesHeads() {
        return normalisesHeads;
    }

    private static String supported() {
        return Arrays.stream(values())
                .map(architecture -> architecture.ggufName() + " (" + architecture.models + ")")
                .collect(Collectors.joining(", "));
    }
}
