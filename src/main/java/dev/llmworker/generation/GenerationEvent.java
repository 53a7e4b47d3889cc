package dev.llmworker.generation;

import java.util.List;

/// What a generation tells its reader: any number of tokens, then once that it finished.
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
    /// @param promptTokens tokens of the prompt, the chat template's included
    /// @param completionTokens number of [Token] events before this one
    record Finished(FinishReason reason, int promptTokens, int completionTokens) implements GenerationEvent {}
}
