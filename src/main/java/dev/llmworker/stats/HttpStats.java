package dev.llmworker.stats;

import java.util.Set;
import org.jspecify.annotations.Nullable;

/// Counts HTTP requests by method, route and status. Labels have no values that clients can choose freely:
/// methods that HTTP does not define share one label, and so do paths without a route.
///
/// Threading: any thread.
public final class HttpStats {
    /// The label of requests that no route matched.
    public static final String NO_ROUTE = "unmatched";

    private static final double NANOS = 1e9;
    private static final String OTHER_METHOD = "_OTHER";
    private static final Set<String> METHODS =
            Set.of("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT");
    /// The buckets of OpenTelemetry's HTTP conventions.
    private static final double[] DURATIONS = {0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10
    };

    public record Answer(String method, String route, int status) {
        /// The JVM would make this method at each start, while the first health check waits.
        @Override
        public boolean equals(@Nullable Object other) {
            return other instanceof Answer answer
                    && status == answer.status
                    && method.equals(answer.method)
                    && route.equals(answer.route);
        }

        @Override
        public int hashCode() {
            return 31 * (31 * method.hashCode() + route.hashCode()) + status;
        }
    }

    final Histogram<Answer> durations = new Histogram<>(DURATIONS);

    /// A request was answered, or its client disconnected.
    ///
    /// @param route the route's path, such as `/rooms/:room`, or [#NO_ROUTE]
    /// @param durationNanos from the request's head to the end of the answer
    public void recordAnswered(String method, String route, int status, long durationNanos) {
        var answer = new Answer(METHODS.contains(method) ? method : OTHER_METHOD, route, status);
        durations.record(answer, durationNanos / NANOS);
    }
}
