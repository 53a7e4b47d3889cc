package dev.llmworker.assembly;

import dev.llmworker.logs.ProcessEnd;
import dev.llmworker.settings.Settings;
import dev.llmworker.settings.SettingsTable;
import java.time.Duration;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/// Ends the process some time after what generates has failed for good. Until then `/ping` answers 503, so that load
/// balancers send their requests elsewhere; then a supervisor starts another process.
///
/// Threading: any thread.
final class FailureExit {
    private final Duration delay;
    private final Sleep sleep;
    private final Consumer<String> exit;
    private boolean begun;
    private @Nullable Thread waiting;

    /// Waits for a time.
    @FunctionalInterface
    interface Sleep {
        void sleep(Duration time) throws InterruptedException;
    }

    /// @param delay zero for never
    /// @param exit takes the reason why the process ends
    FailureExit(Duration delay, Sleep sleep, Consumer<String> exit) {
        this.delay = delay;
        this.sleep = sleep;
        this.exit = exit;
    }

    static FailureExit ofThisProcess(Settings settings) {
        var most = settings.get(SettingsTable.DRAIN_TIMEOUT);
        return new FailureExit(
                settings.get(SettingsTable.ENGINE_FAILURE_EXIT), Thread::sleep, why -> ProcessEnd.exit(why, most));
    }

    /// Never.
    static FailureExit none() {
        return new FailureExit(Duration.ZERO, Thread::sleep, _ -> {});
    }

    /// What follows a failure, for the log: `/ping answers 503`, and when the worker exits.
    String consequence() {
        return delay.isZero()
                ? "/ping answers 503"
                : "/ping answers 503 and the worker exits in " + delay.toSeconds() + " s";
    }

    /// From now on the time counts. Only the first failure counts.
    ///
    /// @return whether this is the first
    synchronized boolean begin(String reason) {
        if (begun) {
            return false;
        }
        begun = true;
        if (!delay.isZero()) {
            waiting = Thread.ofPlatform().daemon().name("failure-exit").start(() -> exitLater(reason));
        }
        return true;
    }

    /// What had failed serves again: the time stops, and the next failure counts as the first. Does nothing once the
    /// process ends.
    synchronized void cancel() {
        begun = false;
        var thread = waiting;
        waiting = null;
        if (thread != null) {
            thread.interrupt();
        }
    }

    private synchronized boolean isOver() {
        var over = waiting == Thread.currentThread();
        if (over) {
            waiting = null;
        }
        return over;
    }

    private void exitLater(String reason) {
        try {
            sleep.sleep(delay);
            if (isOver()) {
                exit.accept(reason);
            }
        } catch (InterruptedException _) {
            Thread.currentThread().interrupt();
        }
    }
}
