package dev.llmworker.engine;

import dev.llmworker.generation.GenerationEvent;
import dev.llmworker.generation.ScoredToken;
import dev.llmworker.text.StopMatcher;
import java.util.ArrayDeque;
import java.util.List;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/// The way of a sequence's tokens to its reader. Tokens in whose text a stop sequence may have begun wait here, so that
/// no part of one is ever seen.
///
/// Threading: one thread at a time.
final class StopFilter {
    private final Consumer<? super GenerationEvent.Token> reader;
    private final @Nullable StopMatcher stops;
    private final ArrayDeque<GenerationEvent.Token> held = new ArrayDeque<>(0);
    /// Characters that have left.
    private long released;

    StopFilter(List<String> stops, Consumer<? super GenerationEvent.Token> reader) {
        this.stops = stops.isEmpty() ? null : new StopMatcher(stops);
        this.reader = reader;
    }

    /// Takes the next token.
    ///
    /// @param mayStop whether the sequence may end yet
    /// @return whether a stop sequence is complete; all tokens have left, with the text before it
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

    /// No stop sequence will be completed any more: what waits leaves as it is.
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
            // What is no part of the text has no score either.
            var scores = kept == 0 ? List.<ScoredToken>of() : token.scores();
            reader.accept(new GenerationEvent.Token(token.index(), token.text().substring(0, kept), scores));
        }
    }
}
