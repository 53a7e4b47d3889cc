package dev.llmworker.soak;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.LongAdder;

/// Clients of all kinds at once, each doing one thing after the other.
final class Mix {
    private static final int HONEST = 12;
    private static final int RUDE = 12;
    private static final int PING_PAUSE_MILLIS = 200;
    private static final int WATCH_MILLIS = 10;
    private static final long JOIN_MILLIS = 180_000;

    private final int port;
    private final Findings findings;
    private final long seed;
    private final int longAnswer;
    private final Prompts prompts = new Prompts();
    private final AtomicBoolean over = new AtomicBoolean();
    private final AtomicLong slowestPingMicros = new AtomicLong();
    private final AtomicLong slowestOwnMicros = new AtomicLong();
    private final AtomicLong lateMicros = new AtomicLong();
    private final LongAdder pings = new LongAdder();
    private final List<Thread> threads = new ArrayList<>();

    private interface Act {
        void run() throws Exception;
    }

    /// @param longAnswer tokens of the answers that clients do not wait for
    Mix(int port, Findings findings, long seed, int longAnswer) {
        this.port = port;
        this.findings = findings;
        this.seed = seed;
        this.longAnswer = longAnswer;
    }

    void start() throws Exception {
        prompts.learn(port);
        for (var i = 0; i < HONEST; i++) {
            var client = new HonestClient(port, prompts, findings, new Random(seed + i), longAnswer);
            loop("honest " + i, client::act);
        }
        for (var i = 0; i < RUDE; i++) {
            var client = new RudeClient(port, findings, new Random(seed - 1 - i), longAnswer);
            loop("rude " + i, client::act);
        }
        threads.add(Thread.ofPlatform().name("ping").start(this::ping));
        threads.add(Thread.ofPlatform().name("watch").start(this::watchMachine));
    }

    private void loop(String name, Act act) {
        threads.add(Thread.ofVirtual().name(name).start(() -> {
            while (!over.get()) {
                try {
                    act.run();
                } catch (Exception e) {
                    findings.violation(name + ": " + e);
                }
            }
        }));
    }

    private void ping() {
        while (!over.get()) {
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
            slowestPingMicros.accumulateAndGet(micros, Math::max);
            pings.increment();
            pause(PING_PAUSE_MILLIS);
            // The pause is long enough for the other thread to have told.
            slowestOwnMicros.accumulateAndGet(micros - lateMicros.getAndSet(0), Math::max);
        }
    }

    /// What a thread that only sleeps wakes late is the machine's doing, and no worker's: other work has the cores.
    private void watchMachine() {
        while (!over.get()) {
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

    /// Ends all clients; one that does not end in time hangs.
    void stop() throws InterruptedException {
        over.set(true);
        var end = System.currentTimeMillis() + JOIN_MILLIS;
        for (var thread : threads) {
            thread.join(Math.max(1, end - System.currentTimeMillis()));
            if (thread.isAlive()) {
                findings.violation(thread.getName() + " hangs");
            }
        }
        findings.check(
                slowestOwnMicros.get() < 1_000_000,
                pings.sum() + " pings, the slowest " + slowestPingMicros.get() / 1000 + " ms; the slowest without what "
                        + "the machine stood still meanwhile " + slowestOwnMicros.get() / 1000 + " ms (below 1000)");
    }
}
