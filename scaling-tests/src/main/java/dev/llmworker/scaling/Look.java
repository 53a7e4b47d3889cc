package dev.llmworker.scaling;

import dev.llmworker.scaling.Client.Answer;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;

/// Who served at one moment.
///
/// @param first the first request, which finds things as they were left
/// @param workers the ids in the answers' headers; empty if they have none
/// @param totalRequests the lowest count in `/stats`; NaN if it has none
/// @param medianMillis of an answer from a running worker
record Look(Answer first, Set<String> workers, double totalRequests, double medianMillis) {
    /// No worker with a model starts faster, and few answers to a health check are slower.
    private static final double SLOW_MILLIS = 2000;

    private static final double SLOW_RATIO = 10;
    /// One after the other, so that they are no load that scales.
    private static final int REQUESTS = 8;

    /// Sees who serves, without waiting for a worker if there is none.
    static Look at(Client client) throws InterruptedException {
        var first = client.get("ping");
        var workers = new TreeSet<String>();
        var times = new ArrayList<Double>();
        var totals = new ArrayList<Double>();
        for (var i = 0; first.isOk() && i < REQUESTS; i++) {
            var answer = client.get("stats");
            times.add(answer.millis());
            if (!answer.worker().isEmpty()) {
                workers.add(answer.worker());
            }
            totals.add(Json.read(answer.body()).path("total_requests").asDouble(Double.NaN));
        }
        return new Look(first, workers, Figures.percentile(totals, 0), Figures.median(times));
    }

    /// Whether the first request was refused or had to wait, as if no worker was running.
    private boolean foundNoWorker() {
        return !first.isOk() || first.millis() >= Math.max(SLOW_MILLIS, SLOW_RATIO * medianMillis);
    }

    /// Who served before and after a time.
    record Change(Look before, Look after) {
        /// Why the workers that were seen before must have stopped since; empty if they seem to have stayed.
        Optional<String> loss() {
            var first = after.first;
            if (!first.isOk()) {
                return Optional.of("the next request was answered " + first.outcome());
            }
            if (!before.workers.isEmpty() && !after.workers.isEmpty()) {
                return Optional.of("worker %s answered instead of %s"
                                .formatted(String.join(", ", after.workers), String.join(", ", before.workers)))
                        .filter(_ -> Collections.disjoint(before.workers, after.workers));
            }
            if (after.totalRequests < before.totalRequests) {
                return Optional.of("the worker's count of requests had started again");
            }
            return Optional.of("the next request took " + Figures.millis(first.millis()) + ", as long as a start")
                    .filter(_ -> after.foundNoWorker());
        }

        /// How many workers there are that were not there before.
        long grown() {
            return after.workers.stream()
                    .filter(id -> !before.workers.contains(id))
                    .count();
        }

        /// Whether the first request after the time was refused or delayed, and one that came later was not.
        boolean wasBlockedUntil(Optional<Answer> later) {
            return after.foundNoWorker()
                    && later.filter(answer -> answer.isOk() && answer.millis() < after.first.millis() / 2)
                            .isPresent();
        }
    }
}
