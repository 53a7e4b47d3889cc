package dev.llmworker.stats;

import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;

/// HTTP requests, by what they asked for and how they were answered. What clients choose freely is no label: methods
/// that HTTP does not define share one, and so do paths that no route serves.
///
/// Threading: any thread.
public final class HttpStats {
    /// The route of a request that no route took.
    public static final String NO_ROUTE = "unmatched";

    private static final double NANOS = 1e9;
    private static final String OTHER_METHOD = "_OTHER";
    private static final Set<String> METHODS =
            Set.of("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT");
    /// Those of OpenTelemetry's HTTP conventions.
    private static final double[] DURATIONS = {0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10
    };

    public record Answer(String method, String route, int status) {}

    final Map<Answer, Histogram> durations = new ConcurrentHashMap<>();

    /// A request was answered, or its client left.
    ///
    /// @param route the path as its route has it, `/rooms/:room`, or [#NO_ROUTE]
    /// @param durationNanos from the request's head to the end of the answer
    public void recordAnswered(String method, String route, int status, long durationNanos) {
        var answer = new Answer(METHODS.contains(method) ? method : OTHER_METHOD, route, status);
        durations.computeIfAbsent(answer, _ -> new Histogram(DURATIONS)).record(durationNanos / NANOS);
    }
}
