package dev.llmworker.scaling.balancer;

import dev.llmworker.scaling.client.Answer;
import dev.llmworker.scaling.client.Figures;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;

/// Test 1: health checks and nothing else.
final class PollingTest {
    private final Probe probe;
    private final List<Answer> polls = new CopyOnWriteArrayList<>();
    private boolean finished;

    PollingTest(Probe probe) {
        this.probe = probe;
    }

    void run() throws InterruptedException {
        var count = probe.options().healthPolls;
        probe.progress().begin("1 HTTP polling alone");
        for (var i = 1; i <= count; i++) {
            var poll = probe.client().get("/ping");
            polls.add(poll);
            probe.progress().update((double) i / count, "%d of %d, the last: %s".formatted(i, count, poll.outcome()));
            if (i < count) {
                Probe.sleep(probe.options().healthInterval);
            }
        }
        finished = true;
        probe.progress().end(outcome().sentence());
    }

    List<Answer> polls() {
        return polls;
    }

    Outcome outcome() {
        var healthy = polls.stream().filter(Answer::isOk).count();
        var median = Figures.median(polls.stream().map(Answer::millis).toList());
        return Outcome.of(
                "HTTP polling alone",
                finished,
                healthy == polls.size(),
                "%d of %s healthy, median %s"
                        .formatted(healthy, Figures.count(polls.size(), "health check"), Figures.millis(median)),
                Sockets.counted(polls.stream().filter(poll -> !poll.isOk()).map(Answer::outcome)));
    }
}
