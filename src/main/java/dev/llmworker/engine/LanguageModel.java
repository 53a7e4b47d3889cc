package dev.llmworker.engine;

import dev.llmworker.model.decoder.Decoder;
import dev.llmworker.text.Tokenizer;
import dev.llmworker.text.chat.PromptEncoder;

/// A model ready to generate: its decoder, and the way from text to token ids and back.
///
/// @param id what clients call it
public record LanguageModel(Decoder decoder, Tokenizer tokenizer, PromptEncoder prompts, String id) {
    /// Called as its file calls it.
    public LanguageModel(Decoder decoder, Tokenizer tokenizer, PromptEncoder prompts) {
        this(decoder, tokenizer, prompts, decoder.description().name());
    }

    /// Loads a model, which can take long: a download, then the weights.
    ///
    /// Threading: runs on the engine thread, which also makes every later call of the decoder. An interrupt asks
    /// it to stop.
    @FunctionalInterface
    public interface Loader {
        LanguageModel load() throws Exception;
    }
}
