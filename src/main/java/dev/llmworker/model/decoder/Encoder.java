package dev.llmworker.model.decoder;

import java.util.List;

/// A model that makes one vector of each text: an embedding, or the two logits that score a document.
///
/// Threading: as [Decoder].
public interface Encoder {
    /// Values of a vector.
    int dimensions();

    /// The most tokens of a step, of all its parts together.
    int stepTokens();

    /// Whether each text must be one part.
    boolean takesWholeTexts();

    /// Whether a vector may depend on what else is in the step, in the last bits.
    boolean isMixed();

    /// Whether what [#encode] returns is added up over the parts of a text, and divided by its tokens.
    boolean isMean();

    /// Runs parts of texts through the model, all in one step.
    ///
    /// @return what the model has of each part
    /// @throws OutOfMemoryException if the step needs more memory than the device has; see [#recover()]
    float[][] encode(List<PromptPart> parts);

    /// The vectors of texts, from what the model has of them.
    float[][] project(float[][] pooled);

    /// As [Decoder#canRepeatSteps()].
    boolean canRepeatSteps();

    /// As [Decoder#recover()].
    void recover();

    /// As [Decoder#clearSlot].
    void clearSlot(int slot, int length);
}
