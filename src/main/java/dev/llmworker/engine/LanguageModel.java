package dev.llmworker.engine;

import dev.llmworker.engine.stored.PrefixFolder;
import dev.llmworker.generation.Task;
import dev.llmworker.model.decoder.Decoder;
import dev.llmworker.model.decoder.Encoder;
import dev.llmworker.text.Tokenizer;
import dev.llmworker.text.chat.PromptEncoder;
import org.jspecify.annotations.Nullable;

/// A model that is ready: its decoder, and the conversion between text and token ids.
///
/// @param id the name that clients use for it
/// @param task what it is served as
/// @param encoder makes the vectors of texts; null if the model generates
/// @param prefixes where cached prefixes are kept between two processes; null if they are not
public record LanguageModel(
        Decoder decoder,
        Tokenizer tokenizer,
        PromptEncoder prompts,
        String id,
        Task task,
        @Nullable Encoder encoder,
        @Nullable PrefixFolder prefixes) {
    /// Its cached prefixes end with the process.
    public LanguageModel(
            Decoder decoder,
            Tokenizer tokenizer,
            PromptEncoder prompts,
            String id,
            Task task,
            @Nullable Encoder encoder) {
        this(decoder, tokenizer, prompts, id, task, encoder, null);
    }

    /// A model that generates.
    public LanguageModel(Decoder decoder, Tokenizer tokenizer, PromptEncoder prompts, String id) {
        this(decoder, tokenizer, prompts, id, Task.GENERATE, null);
    }

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
