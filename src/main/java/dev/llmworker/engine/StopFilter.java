package dev.llmworker.engine;

import dev.llmworker.generation.GenerationEvent;
import dev.llmworker.generation.ScoredToken;
import dev.llmworker.text.StopMatcher;
import java.util.ArrayDeque;
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

    StopFilter(List<String> stops, Consumer<? super GenerationEvent.Token> reader) {
        this.stops = stops.isEmpty() ? null : new StopMatcher(stops);
        this.reader = reader;
    }

    /// Takes the next token.
    ///
    /// @param mayStop whether the sequence may end yet
    /// @return whether a stop sequence is complete; then the text before it has been passed on
    boolean add(GenerationEvent.Token token, boolean mayStop) {
        if (stops == null) {
            reader.accept(token);
            return false;
        }
        held.add(token);
        if (stops.push(token.text(), mayStop)) {
            while (!held.isEmpty()) {
                release(stops.safe());
            }
            return true;
        }
        while (!held.isEmpty() && released + held.getFirst().text().length() <= stops.safe()) {
            release(Long.MAX_VALUE);
        }
        return false;
    }

    /// No stop sequence can be completed any more: passes on the tokens held back, unchanged.
    void flush() {
        while (!held.isEmpty()) {
            release(Long.MAX_VALUE);
        }
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
            reader.accept(new GenerationEvent.Token(token.index(), token.text().substring(0, kept), scores));
        }
    }
}
