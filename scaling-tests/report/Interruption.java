package report;

import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;

/// Lets Ctrl-C end a run early, and not without its report: the run's thread is interrupted, and the JVM waits for it.
///
/// Threading: made, and closed, by the run's thread.
public final class Interruption implements AutoCloseable {
    private static final int WAIT_SECONDS = 20;

    private final CountDownLatch done = new CountDownLatch(1);
    private final Thread hook;

    private Interruption(Thread run) {
        hook = new Thread(() -> {
            System.err.println("\nstopping; the report will have what was measured");
            run.interrupt();
            try {
                done.await(WAIT_SECONDS, TimeUnit.SECONDS);
            } catch (InterruptedException _) {
                Thread.currentThread().interrupt();
            }
        });
        Runtime.getRuntime().addShutdownHook(hook);
    }

    public static Interruption ends(Thread run) {
        return new Interruption(run);
    }

    @Override
    public void close() {
        done.countDown();
        try {
            Runtime.getRuntime().removeShutdownHook(hook);
        } catch (IllegalStateException _) {
            // The JVM is ending already, which is what the hook was for.
        }
    }
}
