package dev.llmworker.model.architecture;

import dev.llmworker.model.Layer;
import dev.llmworker.weights.ModelFileException;

/// A family of models. It describes what each layer does, from the metadata of a file. What it leaves out is as
/// [Description] has it.
interface Architecture {
    /// As in `general.architecture` and before each of its keys.
    String name();

    /// Models of the family, for messages.
    String models();

    /// Whether queries and keys have their rows in the order of [dev.llmworker.model.Rope#halfSplit()].
    ///
    /// @param fromHub whether in files of transformers, or in GGUF files
    default boolean halfSplit(boolean fromHub) {
        return true;
    }

    /// Sets what belongs to the whole model.
    default void describe(Description model) throws ModelFileException {}

    /// Describes one layer.
    ///
    /// @param index of the layer, from 0
    default Layer layer(Description model, int index) throws ModelFileException {
        return model.layer(index, model.attention(index), model.feedForward(index));
    }
}
