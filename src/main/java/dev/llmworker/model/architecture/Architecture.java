package dev.llmworker.model.architecture;

import dev.llmworker.model.Layer;
import dev.llmworker.weights.content.ModelFileException;

/// A family of models. It describes what each layer does, from the metadata of a file. What it leaves out is as
/// [Description] has it.
///
/// @param name as in `general.architecture` and before each of its keys
/// @param models of the family, for messages
/// @param halfSplit which files have the rows of queries and keys in the order of
///     [dev.llmworker.model.Rope#halfSplit()]
/// @param whole sets what belongs to the whole model
/// @param each describes one layer
record Architecture(String name, String models, Files halfSplit, Whole whole, Each each) {
    enum Files {
        ALL,
        /// Those of transformers, but not GGUF files.
        OF_HUB,
        NONE
    }

    interface Whole {
        void describe(Description model) throws ModelFileException;
    }

    interface Each {
        /// @param index of the layer, from 0
        Layer describe(Description model, int index) throws ModelFileException;
    }

    /// All layers have attention and one feed-forward block.
    Architecture(String name, String models, Files halfSplit, Whole whole) {
        this(
                name,
                models,
                halfSplit,
                whole,
                (model, index) -> model.layer(index, model.attention(index), model.feedForward(index)));
    }

    boolean isHalfSplit(boolean fromHub) {
        return halfSplit == Files.ALL || halfSplit == Files.OF_HUB && fromHub;
    }
}
