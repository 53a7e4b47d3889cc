package dev.llmworker.serving.connection;

import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicBoolean;

/// The moment when a client disconnects or cancels its request, and the tasks that wait for it.
///
/// Threading: any thread.
public final class Departure {
    private final Set<Runnable> tasks = ConcurrentHashMap.newKeySet(1);
    private final AtomicBoolean over = new AtomicBoolean();

    /// A task that waits for the moment.
    @FunctionalInterface
    public interface Watch extends AutoCloseable {
        /// The task is not run any more.
        @Override
        void close();
    }

    /// Runs `task` at the moment, or now if it has passed. A task that is added at the very moment may run twice.
    Watch add(Runnable task) {
        tasks.add(task);
        if (over.get()) {
            task.run();
        }
        return () -> tasks.remove(task);
    }

    boolean isOver() {
        return over.get();
    }

    /// The moment has come: runs `first`, then the tasks. Only the first call does anything.
    void happen(Runnable first) {
        if (over.compareAndSet(false, true)) {
            first.run();
            tasks.forEach(Runnable::run);
        }
    }
}
