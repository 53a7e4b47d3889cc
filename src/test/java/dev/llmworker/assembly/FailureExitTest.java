package dev.llmworker.assembly;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.time.Duration;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.LinkedBlockingQueue;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(180)
class FailureExitTest {
    /// The first wait is over at the moment when it is cancelled, so nothing interrupts it.
    @Test
    void aWaitThatIsCancelledTooLateDoesNotEndTheNext() throws Exception {
        var waits = new LinkedBlockingQueue<Thread>();
        var gates = List.of(new CountDownLatch(1), new CountDownLatch(1));
        var begun = new CopyOnWriteArrayList<Thread>();
        var exits = new LinkedBlockingQueue<String>();
        var exit = new FailureExit(
                Duration.ofSeconds(1),
                _ -> {
                    begun.add(Thread.currentThread());
                    var gate = gates.get(begun.size() - 1);
                    waits.add(Thread.currentThread());
                    awaitDeaf(gate);
                },
                exits::add);
        assertTrue(exit.begin("first"));
        var first = waits.take();
        exit.cancel();
        assertTrue(exit.begin("second"));
        waits.take();
        gates.getFirst().countDown();
        first.join();
        gates.getLast().countDown();
        assertEquals("second", exits.take());
        assertTrue(exits.isEmpty());
    }

    private static void awaitDeaf(CountDownLatch gate) {
        while (true) {
            try {
                gate.await();
                return;
            } catch (InterruptedException _) {
                // The time was over before it was cancelled.
            }
        }
    }
}
