package dev.llmworker.generation;

import java.util.List;
import org.jspecify.annotations.Nullable;

/// The events of a generation: any number of tokens, then one [Finished].
public sealed interface GenerationEvent extends HeldEvent {
    /// One generated token.
    ///
    /// @param index from 0, contiguous
    /// @param text what the token adds to the text; empty while its character is incomplete
    /// @param scores the token itself, then the likeliest alternatives, if the request asks for them
    record Token(int index, String text, List<ScoredToken> scores) implements GenerationEvent {
        public Token(int index, String text) {
            this(index, text, List.of());
        }

        @Override
        public long heldBytes() {
            var bytes = HeldEvent.of(text);
            for (var score : scores) {
                bytes += HeldEvent.of(score.text()) + score.bytes().length;
            }
            return bytes;
        }
    }

    /// The last event.
    ///
    /// @param promptTokens tokens of the prompt, including the chat template's; 0 if another server did not
    ///     report them
    /// @param completionTokens tokens of the answer: the number of [Token] events before this one, or what
    ///     another server counted, which may put several tokens into one event
    /// @param failure what went wrong, in words for a client; null if nothing did, or if only the log has the
    ///     reason
    /// @param isFault whether the request is what went wrong
    record Finished(
            FinishReason reason,
            int promptTokens,
            int completionTokens,
            @Nullable String failure,
            boolean isFault) implements GenerationEvent, RelayEvent {
        public Finished(FinishReason reason, int promptTokens, int completionTokens) {
            this(reason, promptTokens, completionTokens, null);
        }

        public Finished(FinishReason reason, int promptTokens, int completionTokens, @Nullable String failure) {
            this(reason, promptTokens, completionTokens, failure, false);
        }

        @Override
        public long heldBytes() {
            return HeldEvent.of("");
        }
    }
}
