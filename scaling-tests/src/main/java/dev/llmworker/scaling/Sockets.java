package dev.llmworker.scaling;

import com.fasterxml.jackson.annotation.JsonValue;
import dev.llmworker.scaling.HeldSocket.Cut;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.function.Predicate;
import java.util.stream.Collectors;

/// WebSockets that are held together.
record Sockets(@JsonValue List<HeldSocket> all) {
    /// What became of them, for the JSON report.
    record Fate(int opened, int cut, double medianAgeSeconds, double medianIdleSeconds, String how) {}

    /// Does the same on each at the same time, and waits for all.
    void each(Client.Step<HeldSocket> step) throws InterruptedException {
        Client.together(all, step);
    }

    void close() {
        all.forEach(HeldSocket::close);
    }

    Sockets that(Predicate<HeldSocket> is) {
        return new Sockets(all.stream().filter(is).toList());
    }

    Sockets opened() {
        return that(HeldSocket::wasOpened);
    }

    Sockets open() {
        return that(HeldSocket::isOpen);
    }

    /// Those that were never cut and still answer.
    Sockets survivors() {
        return that(HeldSocket::survived);
    }

    Sockets idle() {
        return that(socket -> socket.wasOpened() && socket.idle);
    }

    Sockets used() {
        return that(socket -> socket.wasOpened() && !socket.idle);
    }

    int size() {
        return all.size();
    }

    boolean isEmpty() {
        return all.isEmpty();
    }

    /// How those were cut that were.
    List<Cut> cuts() {
        return all.stream().map(HeldSocket::cut).flatMap(Optional::stream).toList();
    }

    /// Seconds from opening to the cut, of those that were cut.
    List<Double> ages() {
        return cuts().stream().map(Cut::ageSeconds).toList();
    }

    /// Seconds without a frame before the cut, of those that were cut.
    List<Double> idleTimes() {
        return cuts().stream().map(Cut::idleSeconds).toList();
    }

    List<Double> handshakeMillis() {
        return all.stream().map(HeldSocket::handshakeMillis).toList();
    }

    /// The ids on their 101s.
    Set<String> workers() {
        return all.stream()
                .map(socket -> socket.worker)
                .filter(id -> !id.isEmpty())
                .collect(Collectors.toSet());
    }

    /// How they ended, each way with its count.
    String endings() {
        return Figures.counted(cuts().stream().map(Cut::how));
    }

    String refusals() {
        return Figures.counted(all.stream().flatMap(socket -> socket.refusals.stream()));
    }

    Fate fate() {
        return new Fate(size(), cuts().size(), Figures.median(ages()), Figures.median(idleTimes()), endings());
    }
}
