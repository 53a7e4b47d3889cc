package scaling;

import client.Answer;
import client.Figures;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;

/// Test 1: health checks, and nothing else.
final class PollingTest {
    private final Probe probe;
    private final List<Answer> polls = new CopyOnWriteArrayList<>();
    private volatile boolean finished;

    PollingTest(Probe probe) {
        this.probe = probe;
    }

    void run() throws InterruptedException {
        var count = probe.options().healthPolls();
        probe.progress().begin("1 HTTP polling alone");
        for (var i = 0; i < count; i++) {
            var poll = probe.calls().get("/ping");
            polls.add(poll);
            probe.progress()
                    .update(
                            (i + 1.0) / count,
                            "%d of %d, the last: %s in %s"
                                    .formatted(i + 1, count, poll.outcome(), Figures.millis(poll.millis())));
            if (i + 1 < count) {
                Thread.sleep(probe.options().healthInterval());
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
        var others = Sockets.counted(
                polls.stream().filter(poll -> !poll.isOk()).map(Answer::outcome).toList());
        return Outcome.of(
                "HTTP polling alone",
                finished,
                healthy == polls.size(),
                "%d of %s healthy, median %s%s"
                        .formatted(
                                healthy,
                                Figures.count(polls.size(), "health check"),
                                Figures.millis(Figures.median(
                                        polls.stream().map(Answer::millis).toList())),
                                others.isEmpty() ? "" : "; " + others));
    }
}
