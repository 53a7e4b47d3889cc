package dev.llmworker.engine;

import dev.llmworker.model.decoder.Decoder;
import dev.llmworker.text.Tokenizer;
import dev.llmworker.text.chat.PromptEncoder;

/// A model that is ready to generate: its decoder, and the conversion between text and token ids.
///
/// @param id the name that clients use for it
public record LanguageModel(Decoder decoder, Tokenizer tokenizer, PromptEncoder prompts, String id) {
    /// A model with the name that its file gives.
    public LanguageModel(Decoder decoder, Tokenizer tokenizer, PromptEncoder prompts) {
        this(decoder, tokenizer, prompts, decoder.description().name());
    }

    /// Loads a model. This can take long: a download, then reading the weights.
    ///
    /// Threading: runs on the engine thread, which also makes every later call of the decoder. An interrupt asks
    /// it to stop.
    @FunctionalInterface
    public interface Loader {
        LanguageModel load() throws Exception;
    }
}
