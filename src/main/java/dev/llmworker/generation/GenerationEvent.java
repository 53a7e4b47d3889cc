package dev.llmworker.generation;

import java.util.List;
import org.jspecify.annotations.Nullable;

/// The events of a generation: any number of tokens, then one [Finished].
public sealed interface GenerationEvent {
    /// One generated token.
    ///
    /// @param index from 0, contiguous
    /// @param text what it adds to the text; empty while its character is incomplete
    /// @param scores the token itself and then the likeliest ones in its place, where the request asks for them
    record Token(int index, String text, List<ScoredToken> scores) implements GenerationEvent {
        public Token(int index, String text) {
            this(index, text, List.of());
        }
    }

    /// The last event.
    ///
    /// @param promptTokens tokens of the prompt, the chat template's included; 0 where another server did not say
    /// @param completionTokens tokens of the answer: the number of [Token] events before this one, unless another
    ///     server counted them, which may put several into one event
    /// @param failure what went wrong, in words for a client; null if nothing did, or if only the log says it
    record Finished(
            FinishReason reason,
            int promptTokens,
            int completionTokens,
            @Nullable String failure) implements GenerationEvent, RelayEvent {
        public Finished(FinishReason reason, int promptTokens, int completionTokens) {
            this(reason, promptTokens, completionTokens, null);
        }
    }
}
