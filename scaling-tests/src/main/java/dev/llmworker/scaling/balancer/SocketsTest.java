package dev.llmworker.scaling.balancer;

import dev.llmworker.scaling.client.Answer;
import dev.llmworker.scaling.client.Figures;
import dev.llmworker.scaling.client.NoServerException;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CopyOnWriteArrayList;

/// Test 2: WebSockets and nothing else. Each answers a prompt, is left idle, and must answer again.
final class SocketsTest {
    private static final int LONE_UPGRADES = 3;
    private static final double STEP_SECONDS = 0.05;

    private final Probe probe;
    private final Sockets sockets;
    private final List<HeldSocket> lone = new CopyOnWriteArrayList<>();
    private Optional<Look> before = Optional.empty();
    private Optional<Look> during = Optional.empty();
    private Optional<Answer> afterClose = Optional.empty();
    private double heldSeconds;
    private boolean finished;

    SocketsTest(Probe probe) {
        this.probe = probe;
        sockets = Sockets.of(probe, _ -> true);
    }

    void run() throws InterruptedException, NoServerException {
        probe.awaitWorker();
        before = Optional.of(probe.look());
        probe.progress().begin("2 WebSockets alone");
        try {
            // The first one of a JVM is slow by itself and does not count.
            for (var i = 0; i <= LONE_UPGRADES; i++) {
                var socket = new HeldSocket(probe, false);
                socket.open();
                socket.close();
                if (i > 0) {
                    lone.add(socket);
                }
            }
            sockets.each(HeldSocket::open);
            sockets.each(HeldSocket::exchange);
            // If all are cut, the workers that serve then are looked at immediately.
            var seconds = probe.options().duration;
            heldSeconds =
                    probe.repeat(seconds, STEP_SECONDS, () -> !sockets.open().isEmpty(), passed -> {
                        heldSeconds = passed;
                        probe.progress()
                                .update(
                                        passed / seconds,
                                        "%.0f of %.0f s, %d of %d open"
                                                .formatted(
                                                        passed,
                                                        seconds,
                                                        sockets.open().size(),
                                                        sockets.size()));
                    });
            during = Optional.of(probe.look());
            sockets.each(HeldSocket::exchange);
            finished = true;
        } finally {
            sockets.close();
        }
        afterClose = Optional.of(probe.client().get("/ping"));
        probe.progress().end(outcome().sentence());
    }

    Sockets sockets() {
        return sockets;
    }

    boolean isFinished() {
        return finished;
    }

    double heldSeconds() {
        return heldSeconds;
    }

    /// Upgrades that were alone, one after the other.
    Sockets lone() {
        return new Sockets(lone);
    }

    Sockets survivors() {
        return sockets.opened().that(HeldSocket::survived);
    }

    Optional<Look> before() {
        return before;
    }

    /// At the end, while the remaining WebSockets were still open.
    Optional<Look> during() {
        return during;
    }

    Optional<String> loss() {
        return during.flatMap(look -> look.lossSince(before.orElseThrow()));
    }

    /// Whether requests were refused or delayed while idle WebSockets were open, and no longer when they were closed.
    boolean blocked() {
        return during.filter(Look::foundNoWorker)
                .flatMap(look -> afterClose.filter(answer ->
                        answer.isOk() && answer.millis() < look.first().millis() / 2))
                .isPresent();
    }

    Outcome outcome() {
        var cut = sockets.cut();
        return Outcome.of(
                "WebSockets alone",
                finished,
                survivors().size() == sockets.size(),
                "%d of %s opened, %d answered after %s of silence"
                        .formatted(
                                sockets.opened().size(),
                                Figures.count(sockets.size(), "WebSocket"),
                                survivors().size(),
                                Figures.seconds(heldSeconds)),
                cut.isEmpty() ? "" : cut.endings() + ", after " + Sockets.range(cut.ages()),
                sockets.refusals().isEmpty() ? "" : "refused: " + sockets.refusals());
    }
}
