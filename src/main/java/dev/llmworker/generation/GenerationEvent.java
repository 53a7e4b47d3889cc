package dev.llmworker.generation;

import dev.llmworker.generation.memory.HeldEvent;
import dev.llmworker.text.answer.AnswerPart;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// The events of a generation: any number of tokens, then one [Finished].
public sealed interface GenerationEvent extends HeldEvent {
    /// One generated token.
    ///
    /// @param index from 0, contiguous
    /// @param text what the token adds to the text; empty while its character is incomplete. If the request asks
    ///     for [AnswerParts], this is the text for the user alone
    /// @param scores the token itself, then the likeliest alternatives, if the request asks for them
    /// @param parts what the token adds to the answer, if the request asks for parts. A token that may begin a
    ///     marker adds nothing; one of the next tokens adds its text
    record Token(int index, String text, List<ScoredToken> scores, List<AnswerPart> parts) implements GenerationEvent {
        public Token(int index, String text, List<ScoredToken> scores) {
            this(index, text, scores, List.of());
        }

        public Token(int index, String text) {
            this(index, text, List.of());
        }

        @Override
        public long heldBytes() {
            var bytes = HeldEvent.of(text);
            for (var score : scores) {
                bytes += HeldEvent.of(score.text()) + score.bytes().length;
            }
            for (var part : parts) {
                bytes += OBJECT_BYTES + 2L * part.characters();
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
    /// @param reasoningTokens how many of them were reasoning, if the request asks for [AnswerParts]
    /// @param parts the last parts of the answer: text that might have begun a marker, if the answer had gone on
    /// @param stopSequence the stop sequence of the request that ended the answer; null if none did, or if another
    ///     server does not say which
    record Finished(
            FinishReason reason,
            int promptTokens,
            int completionTokens,
            @Nullable String failure,
            boolean isFault,
            int reasoningTokens,
            List<AnswerPart> parts,
            @Nullable String stopSequence)
            implements GenerationEvent, RelayEvent, VectorEvent {
        public Finished(FinishReason reason, int promptTokens, int completionTokens) {
            this(reason, promptTokens, completionTokens, null);
        }

        public Finished(FinishReason reason, int promptTokens, int completionTokens, @Nullable String failure) {
            this(reason, promptTokens, completionTokens, failure, false, 0, List.of());
        }

        public Finished(
                FinishReason reason,
                int promptTokens,
                int completionTokens,
                @Nullable String failure,
                boolean isFault,
                int reasoningTokens,
                List<AnswerPart> parts) {
            this(reason, promptTokens, completionTokens, failure, isFault, reasoningTokens, parts, null);
        }

        @Override
        public boolean isLast() {
            return true;
        }

        /// The same end, for another reason.
        public Finished as(FinishReason other) {
            return new Finished(
                    other, promptTokens, completionTokens, failure, isFault, reasoningTokens, parts, stopSequence);
        }

        /// The same end, with other last parts.
        public Finished withParts(List<AnswerPart> others) {
            return new Finished(
                    reason, promptTokens, completionTokens, failure, isFault, reasoningTokens, others, stopSequence);
        }

        /// The same end, with the tokens of several answers.
        public Finished withTokens(int prompt, int completion, int reasoning) {
            return new Finished(reason, prompt, completion, failure, isFault, reasoning, parts, stopSequence);
        }

        @Override
        public long heldBytes() {
            return HeldEvent.of("")
                    + 2L * parts.stream().mapToInt(AnswerPart::characters).sum();
        }
    }
}
