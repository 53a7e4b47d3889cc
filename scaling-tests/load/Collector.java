package load;

import client.RunClock;
import java.util.ArrayList;
import java.util.List;

/// Gathers what comes of one request. Used by one thread.
final class Collector {
    private final RunClock clock;
    private final double at;
    private final List<Double> tokenMillis = new ArrayList<>();
    private long counted = -1;
    private String failure = "";

    Collector(RunClock clock) {
        this.clock = clock;
        at = clock.seconds();
    }

    private double millis() {
        return (clock.seconds() - at) * 1000;
    }

    void token() {
        tokenMillis.add(millis());
    }

    /// The server's own count, which goes before ours.
    void total(double tokens) {
        counted = (long) tokens;
    }

    void failed(String why) {
        failure = why;
    }

    Generation end() {
        var tokens = counted >= 0 ? counted : tokenMillis.size();
        return new Generation(
                at, millis(), failure.isEmpty() ? tokens : tokenMillis.size(), List.copyOf(tokenMillis), failure);
    }
}
