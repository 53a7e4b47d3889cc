package scaling;

import client.Answer;
import client.Figures;
import java.util.Collections;
import java.util.Optional;
import java.util.Set;

/// Who served at one moment.
///
/// @param first how the first request went, which meets things as they were left
/// @param workers the ids in the answers' headers; empty where they have none
/// @param totalRequests the lowest count in `/stats`, or `UNKNOWN`
/// @param medianMillis of an answer, when a worker was there
record Look(Answer first, Set<String> workers, long totalRequests, double medianMillis) {
    static final long UNKNOWN = -1;
    /// No start of a worker with a model is faster, and few answers to a health check are slower.
    private static final double SLOW_MILLIS = 2000;
    private static final double SLOW_RATIO = 10;

    /// Whether the first request had to wait, or was refused, as when nothing stands ready.
    boolean foundNoWorker() {
        return !first.isOk() || first.millis() >= Math.max(SLOW_MILLIS, SLOW_RATIO * medianMillis);
    }

    /// Why the workers that were seen before must have been gone meanwhile; empty where they seem to have stayed.
    Optional<String> lossSince(Look before) {
        if (!first.isOk()) {
            return Optional.of("the next request was answered " + first.outcome());
        }
        if (!before.workers.isEmpty() && !workers.isEmpty()) {
            return Collections.disjoint(before.workers, workers)
                    ? Optional.of("worker " + String.join(", ", workers) + " answered where "
                            + String.join(", ", before.workers) + " had")
                    : Optional.empty();
        }
        if (totalRequests != UNKNOWN && totalRequests < before.totalRequests) {
            return Optional.of("the worker's count of requests had begun anew");
        }
        return foundNoWorker()
                ? Optional.of("the next request took " + Figures.millis(first.millis()) + ", as a start does")
                : Optional.empty();
    }

    /// Workers that were not there before.
    int newSince(Look before) {
        return (int) workers.stream().filter(id -> !before.workers.contains(id)).count();
    }
}
