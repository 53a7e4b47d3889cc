package dev.llmworker.scaling.balancer;

import dev.llmworker.scaling.client.Answer;
import dev.llmworker.scaling.client.Client;
import dev.llmworker.scaling.client.Figures;
import dev.llmworker.scaling.client.Json;
import dev.llmworker.scaling.client.NoServerException;
import dev.llmworker.scaling.report.Progress;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.BooleanSupplier;

/// What all parts of a run share.
record Probe(ScalingTest options, Client client, Progress progress) {
    static final Map<String, Object> PROMPT = Json.object("prompt", "Tell me about load balancing", "max_tokens", 8);
    /// One after the other, so that they are no load that scales.
    private static final int REQUESTS_OF_A_LOOK = 8;

    double now() {
        return client.clock().seconds();
    }

    List<Answer> awaitWorker() throws InterruptedException, NoServerException {
        return client.awaitHealthy("/ping", options.workerWait(), options.healthInterval, progress);
    }

    static void sleep(double seconds) throws InterruptedException {
        Thread.sleep((long) Math.ceil(seconds * 1000));
    }

    interface Step {
        /// @param passed seconds since the begin
        void at(double passed) throws InterruptedException;
    }

    /// Repeats a step until the time is up, or there is no more reason to.
    ///
    /// @return how long that was
    double repeat(double seconds, double pause, BooleanSupplier goesOn, Step step) throws InterruptedException {
        var begin = now();
        var passed = 0.0;
        while (passed < seconds && goesOn.getAsBoolean()) {
            step.at(passed);
            sleep(Math.min(pause, seconds - passed));
            passed = now() - begin;
        }
        return passed;
    }

    /// Sees who serves, without waiting for a worker if there is none.
    Look look() throws InterruptedException {
        var first = client.get("/ping");
        if (!first.isOk()) {
            return new Look(first, Set.of(), Look.UNKNOWN, Double.NaN);
        }
        var workers = new TreeSet<String>();
        var times = new ArrayList<Double>();
        var total = Long.MAX_VALUE;
        for (var i = 0; i < REQUESTS_OF_A_LOOK; i++) {
            var answer = client.get("/stats");
            times.add(answer.millis());
            if (!answer.worker().isEmpty()) {
                workers.add(answer.worker());
            }
            total = Math.min(
                    total, Json.read(answer.body()).path("total_requests").asLong(Long.MAX_VALUE));
        }
        return new Look(first, workers, total, Figures.median(times));
    }
}
