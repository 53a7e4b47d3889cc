package scaling;

import client.Figures;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CopyOnWriteArrayList;

/// Test 2: WebSockets, and nothing else. Each shows that it works, is left alone, and must work again.
final class SocketsTest {
    private static final int LONE_UPGRADES = 3;

    private final Probe probe;
    private final Sockets sockets;
    private final List<HeldSocket> lone = new CopyOnWriteArrayList<>();
    private volatile Optional<Look> before = Optional.empty();
    private volatile Optional<Look> during = Optional.empty();
    private volatile Optional<client.Answer> afterClose = Optional.empty();
    private volatile double heldSeconds;
    private volatile boolean finished;

    SocketsTest(Probe probe) {
        this.probe = probe;
        sockets = Sockets.of(probe, _ -> true);
    }

    void run() throws InterruptedException, NoWorkerException {
        probe.awaitWorker();
        before = Optional.of(probe.look());
        probe.progress().begin("2 WebSockets alone");
        try {
            // The first one of a JVM is slow by itself, and does not count.
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
            if (!sockets.opened().isEmpty()) {
                hold();
            }
            during = Optional.of(probe.look());
            sockets.each(HeldSocket::exchange);
            finished = true;
        } finally {
            sockets.close();
        }
        afterClose = Optional.of(probe.calls().get("/ping"));
        probe.progress().end(outcome().sentence());
    }

    /// Until the time is up, or all have been cut: who serves then is asked at once.
    private void hold() throws InterruptedException {
        var seconds = probe.options().duration().toMillis() / 1000.0;
        var begin = probe.clock().seconds();
        while (heldSeconds < seconds && !sockets.open().isEmpty()) {
            probe.progress()
                    .update(
                            heldSeconds / seconds,
                            "%.0f of %.0f s, %d of %d open"
                                    .formatted(
                                            heldSeconds, seconds, sockets.open().size(), sockets.size()));
            Thread.sleep((long) Math.min(50, (seconds - heldSeconds) * 1000 + 1));
            heldSeconds = probe.clock().seconds() - begin;
        }
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
    List<HeldSocket> lone() {
        return lone;
    }

    /// Those that still answered at the end.
    Sockets survivors() {
        return sockets.opened().that(socket -> socket.cut().isEmpty() && socket.answers());
    }

    Optional<Look> before() {
        return before;
    }

    /// At the end, with what sockets there were still open.
    Optional<Look> during() {
        return during;
    }

    Optional<String> loss() {
        return during.flatMap(look -> look.lossSince(before.orElseThrow()));
    }

    /// Whether requests were refused or held up while idle sockets were open, and were not when they were closed.
    boolean blocked() {
        return during.filter(Look::foundNoWorker).isPresent()
                && afterClose
                        .filter(answer -> answer.isOk()
                                && answer.millis()
                                        < during.orElseThrow().first().millis() / 2)
                        .isPresent();
    }

    Map<String, Object> figures() {
        return Map.of(
                "opened",
                sockets.opened().size(),
                "answered_at_the_end",
                survivors().size());
    }

    Outcome outcome() {
        var opened = sockets.opened();
        var sentence = new StringBuilder("%d of %s opened, %d answered after %s of silence"
                .formatted(
                        opened.size(),
                        Figures.count(sockets.size(), "WebSocket"),
                        survivors().size(),
                        Figures.seconds(heldSeconds)));
        if (!opened.cut().isEmpty()) {
            sentence.append("; ").append(opened.endings());
            sentence.append(", after ")
                    .append(Sockets.range(opened.cuts().map(HeldSocket.Cut::age).toList()));
        }
        if (!sockets.refusals().isEmpty()) {
            sentence.append("; refused: ").append(sockets.refusals());
        }
        return Outcome.of("WebSockets alone", finished, survivors().size() == sockets.size(), sentence.toString());
    }
}
