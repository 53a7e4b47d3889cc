package dev.llmworker.scaling.balancer;

import dev.llmworker.scaling.client.Answer;
import dev.llmworker.scaling.client.Figures;
import java.util.Collections;
import java.util.Optional;
import java.util.Set;

/// Who served at one moment.
///
/// @param first the first request, which finds things as they were left
/// @param workers the ids in the answers' headers; empty if they have none
/// @param totalRequests the lowest count in `/stats`, or `UNKNOWN`
/// @param medianMillis of an answer from a running worker
record Look(Answer first, Set<String> workers, long totalRequests, double medianMillis) {
    static final long UNKNOWN = Long.MAX_VALUE;
    /// No worker with a model starts faster, and few answers to a health check are slower.
    private static final double SLOW_MILLIS = 2000;

    private static final double SLOW_RATIO = 10;

    /// Whether the first request was refused or had to wait, as if no worker was running.
    boolean foundNoWorker() {
        return !first.isOk() || first.millis() >= Math.max(SLOW_MILLIS, SLOW_RATIO * medianMillis);
    }

    /// Why the workers that were seen before must have stopped since; empty if they seem to have stayed.
    Optional<String> lossSince(Look before) {
        if (!first.isOk()) {
            return Optional.of("the next request was answered " + first.outcome());
        }
        if (!before.workers.isEmpty() && !workers.isEmpty()) {
            return Optional.of("worker %s answered instead of %s"
                            .formatted(String.join(", ", workers), String.join(", ", before.workers)))
                    .filter(_ -> Collections.disjoint(before.workers, workers));
        }
        if (totalRequests < before.totalRequests && before.totalRequests != UNKNOWN) {
            return Optional.of("the worker's count of requests had started again");
        }
        return Optional.of("the next request took " + Figures.millis(first.millis()) + ", as long as a start")
                .filter(_ -> foundNoWorker());
    }

    /// How many workers there are that were not there before.
    int newSince(Look before) {
        return (int) workers.stream().filter(id -> !before.workers.contains(id)).count();
    }
}
