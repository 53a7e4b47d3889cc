package scaling;

import client.Figures;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.function.Predicate;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/// WebSockets that are held together.
record Sockets(List<HeldSocket> all) {
    /// @param silent which of them, by number, are left alone
    static Sockets of(Probe probe, Predicate<Integer> silent) {
        var all = new ArrayList<HeldSocket>();
        for (var i = 0; i < probe.options().connections(); i++) {
            all.add(new HeldSocket(probe, silent.test(i)));
        }
        return new Sockets(List.copyOf(all));
    }

    interface Step {
        void on(HeldSocket socket) throws InterruptedException;
    }

    /// Does the same on each, side by side, and waits for all.
    void each(Step step) throws InterruptedException {
        var done = new CountDownLatch(all.size());
        var threads = all.stream()
                .map(socket -> Thread.ofVirtual().unstarted(() -> {
                    try {
                        step.on(socket);
                    } catch (InterruptedException _) {
                        // The run is over; what is measured is measured.
                    } finally {
                        done.countDown();
                    }
                }))
                .toList();
        threads.forEach(Thread::start);
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

    Stream<HeldSocket.Cut> cuts() {
        return all.stream().flatMap(socket -> socket.cut().stream());
    }

    List<Double> handshakeMillis() {
        return all.stream().map(HeldSocket::handshakeMillis).toList();
    }

    /// How they ended, each way with its count.
    String endings() {
        return counted(cuts().map(HeldSocket.Cut::how).toList());
    }

    String refusals() {
        return counted(
                all.stream().flatMap(socket -> socket.refusals().stream()).toList());
    }

    static String counted(Collection<String> texts) {
        return texts.stream()
                .collect(Collectors.groupingBy(text -> text, java.util.TreeMap::new, Collectors.counting()))
                .entrySet()
                .stream()
                .map(entry -> entry.getValue() + " × " + entry.getKey())
                .collect(Collectors.joining(", "));
    }

    /// `5.0 s`, or `4.8–5.3 s`.
    static String range(Collection<Double> seconds) {
        var low = Figures.percentile(seconds, 0);
        var high = Figures.percentile(seconds, 100);
        return high - low < 0.1
                ? Figures.seconds(high)
                : Figures.seconds(low).replace(" s", "") + "–" + Figures.seconds(high);
    }
}
