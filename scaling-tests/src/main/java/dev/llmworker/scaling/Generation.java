package dev.llmworker.scaling;

import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;

/// One answer as its client saw it.
///
/// Threading: filled by one thread; read after that.
final class Generation {
    private final double begin;
    /// When each piece of text arrived, from the request on; empty if the answer arrives whole.
    private final List<Double> tokenMillis = new ArrayList<>();

    /// The server's own count of tokens, which is preferred to the number of pieces; negative if it gives none.
    long counted = -1;

    /// Until the answer was complete.
    double millis;

    /// Empty if nothing failed.
    String failure = "";

    /// @param begin in seconds of the run
    Generation(double begin) {
        this.begin = begin;
    }

    /// @param at in seconds of the run
    void tokenAt(double at) {
        tokenMillis.add((at - begin) * 1000);
    }

    /// @param why it failed; empty if it did not
    Generation end(double at, String why) {
        failure = failure.isEmpty() ? why : failure;
        millis = (at - begin) * 1000;
        return this;
    }

    boolean isOk() {
        return failure.isEmpty();
    }

    long tokens() {
        return counted >= 0 ? counted : tokenMillis.size();
    }

    /// Until the first token; empty if the answer arrived whole.
    List<Double> firstMillis() {
        return tokenMillis.subList(0, Math.min(1, tokenMillis.size()));
    }

    List<Double> betweenMillis() {
        return IntStream.range(1, tokenMillis.size())
                .mapToObj(i -> tokenMillis.get(i) - tokenMillis.get(i - 1))
                .toList();
    }
}
