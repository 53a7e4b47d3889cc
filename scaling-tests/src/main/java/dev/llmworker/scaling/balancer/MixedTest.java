package dev.llmworker.scaling.balancer;

import dev.llmworker.scaling.client.Answer;
import dev.llmworker.scaling.client.Figures;
import dev.llmworker.scaling.client.NoServerException;
import java.util.List;
import java.util.Optional;
import java.util.TreeSet;
import java.util.concurrent.CopyOnWriteArrayList;

/// Test 3: requests next to WebSockets. Every other WebSocket is used, the rest are idle. The requests keep a worker
/// running, so a WebSocket that ends here does not end because its worker was stopped.
final class MixedTest {
    private final Probe probe;
    private final Sockets sockets;
    private final List<Answer> posts = new CopyOnWriteArrayList<>();
    private Optional<AffinityProbe> affinity = Optional.empty();
    private double heldSeconds;
    private boolean finished;

    MixedTest(Probe probe) {
        this.probe = probe;
        sockets = Sockets.of(probe, i -> i % 2 == 1);
    }

    void run() throws InterruptedException, NoServerException {
        probe.awaitWorker();
        probe.progress().begin("3 HTTP and WebSockets");
        var poster = Thread.ofVirtual().unstarted(this::post);
        try {
            sockets.each(HeldSocket::open);
            sockets.each(HeldSocket::exchange);
            poster.start();
            hold();
            poster.interrupt();
            sockets.open().that(HeldSocket::isIdle).each(HeldSocket::exchange);
            var asking = new AffinityProbe(probe, workersSeen());
            affinity = Optional.of(asking);
            asking.run();
            finished = true;
        } finally {
            poster.interrupt();
            sockets.close();
        }
        probe.progress().end(outcome().sentence());
    }

    private void post() {
        try {
            while (true) {
                posts.add(probe.client().post("/generate", Probe.PROMPT));
                Probe.sleep(probe.options().healthInterval);
            }
        } catch (InterruptedException _) {
            // The time is up.
        }
    }

    private void hold() throws InterruptedException {
        var seconds = probe.options().duration;
        heldSeconds = probe.repeat(
                seconds,
                probe.options().healthInterval,
                () -> sockets.opened().isEmpty() || !sockets.open().isEmpty(),
                passed -> {
                    heldSeconds = passed;
                    sockets.open().that(socket -> !socket.isIdle()).each(HeldSocket::exchange);
                    probe.progress()
                            .update(
                                    passed / seconds,
                                    "%.0f of %.0f s, %d requests, %d of %d WebSockets open"
                                            .formatted(
                                                    passed,
                                                    seconds,
                                                    posts.size(),
                                                    sockets.open().size(),
                                                    sockets.size()));
                });
    }

    private TreeSet<String> workersSeen() throws InterruptedException {
        var workers = new TreeSet<>(probe.look().workers());
        posts.stream().map(Answer::worker).filter(id -> !id.isEmpty()).forEach(workers::add);
        workers.addAll(sockets.open().workers());
        return workers;
    }

    Sockets sockets() {
        return sockets;
    }

    Sockets idle() {
        return sockets.opened().that(HeldSocket::isIdle);
    }

    Sockets used() {
        return sockets.opened().that(socket -> !socket.isIdle());
    }

    List<Answer> posts() {
        return posts;
    }

    Optional<AffinityProbe> affinity() {
        return affinity;
    }

    double heldSeconds() {
        return heldSeconds;
    }

    boolean isFinished() {
        return finished;
    }

    Outcome outcome() {
        var served = posts.stream().filter(Answer::isOk).count();
        var alive = sockets.opened().that(HeldSocket::survived).size();
        return Outcome.of(
                "HTTP and WebSockets mixed",
                finished,
                served == posts.size() && alive == sockets.size(),
                "%d of %s answered, %d of %s alive after %s"
                        .formatted(
                                served,
                                Figures.count(posts.size(), "request"),
                                alive,
                                Figures.count(sockets.size(), "WebSocket"),
                                Figures.seconds(heldSeconds)),
                Sockets.counted(posts.stream().filter(post -> !post.isOk()).map(Answer::outcome)),
                sockets.endings(),
                sockets.refusals());
    }
}
