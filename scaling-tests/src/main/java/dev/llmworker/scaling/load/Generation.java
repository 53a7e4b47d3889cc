package dev.llmworker.scaling.load;

import dev.llmworker.scaling.client.RunClock;
import java.util.ArrayList;
import java.util.List;

/// One answer as its client saw it.
///
/// Threading: filled by one thread at a time; read after `end`.
final class Generation {
    private final RunClock clock;
    private final double at;
    private final List<Double> tokenMillis = new ArrayList<>();
    private long counted = -1;
    private double millis;
    private String failure = "";

    /// Begins the measurement.
    Generation(RunClock clock) {
        this.clock = clock;
        at = clock.seconds();
    }

    /// @param seconds of the run when a piece of text arrived
    void token(double seconds) {
        tokenMillis.add((seconds - at) * 1000);
    }

    /// The server's own count of tokens, which is preferred to the number of pieces.
    void total(long tokens) {
        counted = tokens;
    }

    /// @param why empty if nothing failed
    Generation end(String why) {
        failure = failure.isEmpty() ? why : failure;
        millis = clock.millisSince(at);
        return this;
    }

    void fail(String why) {
        failure = why;
    }

    boolean isOk() {
        return failure.isEmpty();
    }

    String failure() {
        return failure;
    }

    /// Until the answer was complete.
    double millis() {
        return millis;
    }

    /// As the server counts them.
    long tokens() {
        return counted >= 0 ? counted : tokenMillis.size();
    }

    /// When each piece of text arrived, from the request on; empty if the answer arrives whole.
    List<Double> tokenMillis() {
        return tokenMillis;
    }
}
