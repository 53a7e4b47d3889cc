package dev.llmworker.engine;

import dev.llmworker.generation.GenerationEvent;
import dev.llmworker.generation.ScoredToken;
import dev.llmworker.text.StopMatcher;
import dev.llmworker.text.answer.AnswerPart;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/// Passes a sequence's tokens to its reader. A token is held back if a stop sequence may have begun in its text,
/// so that the reader never sees part of one.
///
/// Threading: one thread at a time.
final class StopFilter {
    private final Consumer<? super GenerationEvent.Token> reader;
    private final @Nullable StopMatcher stops;
    private final ArrayDeque<GenerationEvent.Token> held = new ArrayDeque<>(0);
    /// How many characters were passed on.
    private long released;

    private boolean stopped;
    /// A call has begun: no text follows, so no stop sequence is completed.
    private boolean isCalling;

    StopFilter(List<String> stops, Consumer<? super GenerationEvent.Token> reader) {
        this.stops = stops.isEmpty() ? null : new StopMatcher(stops);
        this.reader = reader;
    }

    /// Takes the next token.
    ///
    /// @param mayStop whether the sequence may end yet
    /// @return whether a stop sequence is complete; then the text before it has been passed on
    boolean add(GenerationEvent.Token token, boolean mayStop) {
        if (stops == null || isCalling) {
            reader.accept(token);
            return false;
        }
        held.add(token);
        if (stops.push(token.text(), mayStop)) {
            stopped = true;
            while (!held.isEmpty()) {
                release(stops.safe());
            }
            return true;
        }
        if (token.parts().stream().anyMatch(AnswerPart.CallStart.class::isInstance)) {
            isCalling = true;
            flush();
        }
        while (!held.isEmpty() && released + held.getFirst().text().length() <= stops.safe()) {
            release(Long.MAX_VALUE);
        }
        return false;
    }

    /// The stop sequence that ended the text; null if none did.
    @Nullable
    String found() {
        return stops == null ? null : stops.found();
    }

    /// No stop sequence can be completed any more: passes on the tokens held back, unchanged.
    private void flush() {
        while (!held.isEmpty()) {
            release(Long.MAX_VALUE);
        }
    }

    /// The last parts of an answer, after all tokens: up to a stop sequence. Passes on the tokens held back, as far
    /// as no stop sequence that these parts complete has begun in them.
    List<AnswerPart> last(List<AnswerPart> parts) {
        if (stops == null || isCalling) {
            return parts;
        }
        if (!stopped && !stops.push(PartedAnswer.content(parts), true)) {
            flush();
            return parts;
        }
        while (!held.isEmpty()) {
            release(stops.safe());
        }
        return cut(parts, (int) Math.max(0, stops.safe() - released));
    }

    /// The first `length` characters of the text in some parts, and what is before their end.
    private static List<AnswerPart> cut(List<AnswerPart> parts, int length) {
        var kept = new ArrayList<AnswerPart>();
        var left = length;
        for (var part : parts) {
            if (part instanceof AnswerPart.Content(var text)) {
                var taken = Math.min(left, text.length());
                if (taken > 0) {
                    kept.add(new AnswerPart.Content(text.substring(0, taken)));
                }
                left -= taken;
            } else if (left > 0 || length == 0) {
                kept.add(part);
            }
        }
        return kept;
    }

    private void release(long end) {
        var token = held.removeFirst();
        var kept = (int) Math.clamp(end - released, 0, token.text().length());
        released += token.text().length();
        if (kept == token.text().length()) {
            reader.accept(token);
        } else {
            // A token that is not part of the text has no score either.
            var scores = kept == 0 ? List.<ScoredToken>of() : token.scores();
            reader.accept(new GenerationEvent.Token(
                    token.index(), token.text().substring(0, kept), scores, cut(token.parts(), kept)));
        }
    }
}
