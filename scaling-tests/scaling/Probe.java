package scaling;

import client.Answer;
import client.Figures;
import client.HttpCalls;
import client.Json;
import client.RunClock;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import report.Progress;

/// What all parts of a run share: how they ask, what they go by, and where they say how far they are.
record Probe(ScalingOptions options, HttpCalls calls, RunClock clock, Progress progress) {
    /// One after the other, so that looking is no load to scale by.
    private static final int REQUESTS_OF_A_LOOK = 8;
    /// A balancer that answers at once may still be starting a worker.
    private static final double WAIT_PAUSE_SECONDS = 1;

    static Probe of(ScalingOptions options, Progress progress) {
        var clock = new RunClock();
        return new Probe(options, new HttpCalls(options.target(), clock), clock, progress);
    }

    /// Asks `/ping` until it is healthy.
    ///
    /// @return all answers, the last of which is a 200
    /// @throws NoWorkerException when none is in time
    List<Answer> awaitWorker() throws InterruptedException, NoWorkerException {
        var answers = new ArrayList<Answer>();
        var begin = clock.seconds();
        var limit = options.workerWait().toMillis() / 1000.0;
        while (true) {
            var answer = calls.get("/ping");
            answers.add(answer);
            if (answer.isOk()) {
                return answers;
            }
            var waited = clock.seconds() - begin;
            if (waited >= limit) {
                throw new NoWorkerException(options.target().shown() + "/ping", waited, answers);
            }
            if (answers.size() == 1) {
                progress.begin("Waiting for a worker");
                progress.note("/ping: " + answer.outcome());
            }
            progress.update(waited / limit, "%.0f s, /ping: %s".formatted(waited, answer.outcome()));
            Thread.sleep((long)
                    (Math.min(WAIT_PAUSE_SECONDS, options.healthInterval().toMillis() / 1000.0) * 1000));
        }
    }

    /// Asks who serves, and does not wait for a worker where there is none.
    Look look() throws InterruptedException {
        var first = calls.get("/ping");
        if (!first.isOk()) {
            return new Look(first, Set.of(), Look.UNKNOWN, Double.NaN);
        }
        var workers = new TreeSet<String>();
        var times = new ArrayList<Double>();
        var total = Look.UNKNOWN;
        for (var i = 0; i < REQUESTS_OF_A_LOOK; i++) {
            var answer = calls.get("/stats");
            times.add(answer.millis());
            if (!answer.worker().isEmpty()) {
                workers.add(answer.worker());
            }
            if (Json.at(Json.object(answer.body()), "total_requests") instanceof Double count) {
                total = total == Look.UNKNOWN ? count.longValue() : Math.min(total, count.longValue());
            }
        }
        return new Look(first, workers, total, Figures.median(times));
    }
}
