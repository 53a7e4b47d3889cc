package dev.llmworker.generation;

import dev.llmworker.model.Decoder;
import dev.llmworker.text.PromptEncoder;
import dev.llmworker.text.Tokenizer;

/// A model ready to generate: its decoder, and the way from text to token ids and back.
public record LanguageModel(Decoder decoder, Tokenizer tokenizer, PromptEncoder prompts) {
    /// Loads a model, which can take long: a download, then the weights.
    ///
    /// Threading: runs on the engine thread, which also makes every later call of the decoder. An interrupt asks
    /// it to stop.
    @FunctionalInterface
    public interface Loader {
        LanguageModel load() throws Exception;
    }
}
