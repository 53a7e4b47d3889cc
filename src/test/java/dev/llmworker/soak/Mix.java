package dev.llmworker.soak;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicBoolean;

/// Clients of all kinds at once, each doing one thing after the other, and a health check beside them.
final class Mix {
    private static final long JOIN_MILLIS = 180_000;

    private final Findings findings;
    private final AtomicBoolean over = new AtomicBoolean();
    private final Pings pings;
    private final List<Thread> threads = new ArrayList<>();

    interface Act {
        void run() throws Exception;
    }

    Mix(int port, Findings findings) {
        this.findings = findings;
        pings = new Pings(port, findings, over::get);
    }

    /// A client that begins now, and ends with the mix.
    void client(String name, Act act) {
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

    Pings ping() {
        threads.addAll(pings.start());
        return pings;
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
    }
}
