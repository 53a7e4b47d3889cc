package scaling;

import client.Answer;
import client.Figures;
import java.util.List;
import java.util.Optional;
import java.util.TreeSet;
import java.util.concurrent.CopyOnWriteArrayList;

/// Test 3: requests beside WebSockets, of which every other one is used and the rest are left alone. The requests keep
/// a
/// worker, so what happens to a socket here is not for want of one.
final class MixedTest {
    static final String REQUEST = "{\"prompt\":\"Tell me about load balancing\",\"max_tokens\":8}";

    private final Probe probe;
    private final Sockets sockets;
    private final List<Answer> posts = new CopyOnWriteArrayList<>();
    private volatile Optional<AffinityProbe> affinity = Optional.empty();
    private volatile double heldSeconds;
    private volatile boolean finished;

    MixedTest(Probe probe) {
        this.probe = probe;
        sockets = Sockets.of(probe, i -> i % 2 == 1);
    }

    void run() throws InterruptedException, NoWorkerException {
        probe.awaitWorker();
        probe.progress().begin("3 HTTP and WebSockets");
        var poster = Thread.ofVirtual().unstarted(this::post);
        try {
            sockets.each(HeldSocket::open);
            sockets.each(HeldSocket::exchange);
            poster.start();
            hold();
            poster.interrupt();
            sockets.open().that(HeldSocket::isSilent).each(HeldSocket::exchange);
            var probing = new AffinityProbe(probe, workersSeen());
            affinity = Optional.of(probing);
            probing.run();
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
                posts.add(probe.calls().post("/generate", REQUEST));
                Thread.sleep(probe.options().healthInterval());
            }
        } catch (InterruptedException _) {
            // The time is up.
        }
    }

    /// Until the time is up, or no socket is left.
    private void hold() throws InterruptedException {
        var seconds = probe.options().duration().toMillis() / 1000.0;
        var begin = probe.clock().seconds();
        while (heldSeconds < seconds
                && (sockets.opened().isEmpty() || !sockets.open().isEmpty())) {
            sockets.open().that(socket -> !socket.isSilent()).each(HeldSocket::exchange);
            probe.progress()
                    .update(
                            heldSeconds / seconds,
                            "%.0f of %.0f s, %d requests, %d of %d WebSockets open"
                                    .formatted(
                                            heldSeconds,
                                            seconds,
                                            posts.size(),
                                            sockets.open().size(),
                                            sockets.size()));
            var pause = Math.min(probe.options().healthInterval().toMillis() / 1000.0, seconds - heldSeconds);
            Thread.sleep((long) Math.max(1, pause * 1000));
            heldSeconds = probe.clock().seconds() - begin;
        }
    }

    private TreeSet<String> workersSeen() throws InterruptedException {
        var workers = new TreeSet<>(probe.look().workers());
        posts.stream().map(Answer::worker).filter(id -> !id.isEmpty()).forEach(workers::add);
        sockets.open().all().stream()
                .map(HeldSocket::worker)
                .filter(id -> !id.isEmpty())
                .forEach(workers::add);
        return workers;
    }

    Sockets sockets() {
        return sockets;
    }

    Sockets silent() {
        return sockets.opened().that(HeldSocket::isSilent);
    }

    Sockets used() {
        return sockets.opened().that(socket -> !socket.isSilent());
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
        var alive = sockets.opened().that(socket -> socket.cut().isEmpty() && socket.answers());
        var sentence = new StringBuilder("%d of %s answered, %d of %s alive after %s"
                .formatted(
                        served,
                        Figures.count(posts.size(), "request"),
                        alive.size(),
                        Figures.count(sockets.size(), "WebSocket"),
                        Figures.seconds(heldSeconds)));
        var others = Sockets.counted(
                posts.stream().filter(post -> !post.isOk()).map(Answer::outcome).toList());
        for (var more : List.of(others, sockets.opened().endings(), sockets.refusals())) {
            sentence.append(more.isEmpty() ? "" : "; " + more);
        }
        var passed = served == posts.size() && alive.size() == sockets.size();
        return Outcome.of("HTTP and WebSockets mixed", finished, passed, sentence.toString());
    }
}
