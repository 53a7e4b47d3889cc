package dev.llmworker.scaling.balancer;

import dev.llmworker.scaling.client.Figures;
import java.util.Collection;
import java.util.List;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.CountDownLatch;
import java.util.function.IntPredicate;
import java.util.function.Predicate;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;

/// WebSockets that are held together.
record Sockets(List<HeldSocket> all) {
    /// @param idle which of them, by number, are left alone
    static Sockets of(Probe probe, IntPredicate idle) {
        return new Sockets(IntStream.range(0, probe.options().connections)
                .mapToObj(i -> new HeldSocket(probe, idle.test(i)))
                .toList());
    }

    interface Step {
        void on(HeldSocket socket) throws InterruptedException;
    }

    /// Does the same on each at the same time, and waits for all.
    void each(Step step) throws InterruptedException {
        var done = new CountDownLatch(all.size());
        var threads = all.stream()
                .map(socket -> Thread.ofVirtual().start(() -> {
                    try {
                        step.on(socket);
                    } catch (InterruptedException _) {
                        // The run has ended, and what it has measured stays.
                    } finally {
                        done.countDown();
                    }
                }))
                .toList();
        try {
            done.await();
        } catch (InterruptedException e) {
            threads.forEach(Thread::interrupt);
            throw e;
        }
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

    Sockets cut() {
        return that(socket -> socket.cut().isPresent());
    }

    Sockets open() {
        return that(HeldSocket::isOpen);
    }

    int size() {
        return all.size();
    }

    boolean isEmpty() {
        return all.isEmpty();
    }

    private Stream<HeldSocket.Cut> cuts() {
        return all.stream().flatMap(socket -> socket.cut().stream());
    }

    /// Seconds from opening to the cut, of those that were cut.
    List<Double> ages() {
        return cuts().map(HeldSocket.Cut::age).toList();
    }

    /// Seconds without a frame before the cut, of those that were cut.
    List<Double> idleTimes() {
        return cuts().map(HeldSocket.Cut::idle).toList();
    }

    List<Double> handshakeMillis() {
        return all.stream().map(HeldSocket::handshakeMillis).toList();
    }

    /// The ids on their 101s.
    Set<String> workers() {
        return all.stream().map(HeldSocket::worker).filter(id -> !id.isEmpty()).collect(Collectors.toSet());
    }

    /// How they ended, each way with its count.
    String endings() {
        return counted(cuts().map(HeldSocket.Cut::how));
    }

    String refusals() {
        return counted(all.stream().flatMap(socket -> socket.refusals().stream()));
    }

    static String counted(Stream<String> texts) {
        return texts
                .collect(Collectors.groupingBy(text -> text, TreeMap::new, Collectors.counting()))
                .entrySet()
                .stream()
                .map(entry -> entry.getValue() + " × " + entry.getKey())
                .collect(Collectors.joining(", "));
    }

    /// `5.0 s`, or `4.8–5.3 s`.
    static String range(Collection<Double> seconds) {
        var low = Figures.percentile(seconds, 0);
        var high = Figures.percentile(seconds, 100);
        return (high - low < 0.1 ? "" : Figures.seconds(low).replace(" s", "–")) + Figures.seconds(high);
    }
}
