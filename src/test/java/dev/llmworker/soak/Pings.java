package dev.llmworker.soak;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.BooleanSupplier;

/// A health check that asks `/ping` all the time, each time by a new connection.
final class Pings {
    private static final int PAUSE_MILLIS = 100;
    private static final int WATCH_MILLIS = 10;

    private final int port;
    private final Findings findings;
    private final BooleanSupplier over;
    private final List<Ping> pings = new ArrayList<>();
    private final AtomicLong lateMicros = new AtomicLong();

    /// @param ownMicros without what the machine stood still meanwhile
    private record Ping(long micros, long ownMicros) {}

    Pings(int port, Findings findings, BooleanSupplier over) {
        this.port = port;
        this.findings = findings;
        this.over = over;
    }

    List<Thread> start() {
        return List.of(
                Thread.ofPlatform().name("ping").start(this::ping),
                Thread.ofPlatform().name("watch").start(this::watchMachine));
    }

    private void ping() {
        while (!over.getAsBoolean()) {
            var began = System.nanoTime();
            try (var wire = new Wire(port)) {
                var status = wire.send(Wire.get("/ping")).answer().status();
                if (status != 200) {
                    findings.violation("/ping answered " + status);
                }
            } catch (IOException e) {
                findings.violation("/ping: " + e);
            }
            var micros = (System.nanoTime() - began) / 1000;
            pause(PAUSE_MILLIS);
            // The pause is long enough for the other thread to have told.
            took(micros, lateMicros.getAndSet(0));
        }
    }

    /// One ping, and how long the machine stood still meanwhile.
    void took(long micros, long late) {
        pings.add(new Ping(micros, micros - late));
    }

    /// What a thread that only sleeps wakes late is the machine's doing, and no worker's: other work has the cores.
    private void watchMachine() {
        while (!over.getAsBoolean()) {
            var began = System.nanoTime();
            pause(WATCH_MILLIS);
            lateMicros.accumulateAndGet((System.nanoTime() - began) / 1000 - WATCH_MILLIS * 1000L, Math::max);
        }
    }

    private void pause(int millis) {
        try {
            Thread.sleep(millis);
        } catch (InterruptedException e) {
            findings.violation(Thread.currentThread().getName() + ": " + e);
        }
    }

    /// The threads have ended: no ping took a second.
    void checkSlowest() {
        var slowest = pings.stream().mapToLong(Ping::micros).max().orElse(0) / 1000;
        var own = pings.stream().mapToLong(Ping::ownMicros).max().orElse(0) / 1000;
        findings.check(
                !pings.isEmpty() && own < 1_000,
                pings.size() + " pings, the slowest " + slowest
                        + " ms; the slowest without what the machine stood still " + "meanwhile " + own
                        + " ms (below 1000)");
    }

    /// The threads have ended: 99 of 100 pings took less than `limitMillis`.
    void checkPercentile(int limitMillis) {
        var all = pings.stream().mapToLong(Ping::micros).sorted().toArray();
        var own = at(pings.stream().mapToLong(Ping::ownMicros).sorted().toArray(), 0.99);
        findings.check(
                all.length > 0 && own < limitMillis,
                all.length + " pings: median " + at(all, 0.5) + " ms, p99 " + at(all, 0.99) + " ms, the slowest "
                        + at(all, 1) + " ms; p99 without what the machine stood still meanwhile " + own + " ms (below "
                        + limitMillis + ")");
    }

    private static long at(long[] sorted, double share) {
        return sorted.length == 0 ? 0 : sorted[(int) Math.min(sorted.length - 1, sorted.length * share)] / 1000;
    }
}
