package dev.llmworker.serving.connection;

import dev.llmworker.generation.Lease;
import java.util.ArrayDeque;
import java.util.Queue;
import org.jspecify.annotations.Nullable;

/// Runs tasks one after the other, on a virtual thread that is there only while there is something to run.
///
/// Threading: any thread.
public final class SerialExecutor {
    private final String name;
    private final Queue<Runnable> waiting = new ArrayDeque<>(2);
    private boolean running;

    /// @param name of its threads
    public SerialExecutor(String name) {
        this.name = name;
    }

    void run(Runnable task) {
        enqueue(task, Integer.MAX_VALUE);
    }

    /// As [#run(Runnable)], unless `limit` tasks wait already besides the one that runs.
    ///
    /// @return whether the task was taken
    synchronized boolean enqueue(Runnable task, int limit) {
        if (running && waiting.size() >= limit) {
            return false;
        }
        waiting.add(task);
        if (!running) {
            try (var place = Lease.of(() -> waiting.remove(task))) {
                Thread.ofVirtual().name(name).start(this::drain);
                place.keep();
            }
            running = true;
        }
        return true;
    }

    /// Forgets the tasks that wait.
    synchronized void clear() {
        waiting.clear();
    }

    private void drain() {
        for (var task = next(); task != null; task = next()) {
            task.run();
        }
    }

    private synchronized @Nullable Runnable next() {
        var task = waiting.poll();
        running = task != null;
        return task;
    }
}
