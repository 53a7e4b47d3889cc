package dev.llmworker.serving.port;

import io.netty.util.concurrent.EventExecutor;
import java.time.Duration;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.RejectedExecutionException;
import java.util.function.Consumer;

/// Notices an event loop that has ended or that hangs. Without its event loops a worker looks alive and answers
/// nothing,
/// so it had better end: then its platform starts another.
///
/// Threading: any thread adds event loops; one thread checks them.
final class EventLoopWatch implements AutoCloseable {
    static final Duration INTERVAL = Duration.ofSeconds(2);
    /// So many checks in a row without an answer mean that a loop hangs. They are counted, not timed: a process that
    /// the system stops for a while misses none.
    static final int MOST_UNANSWERED = 15;

    private final Map<EventExecutor, Answer> loops = new ConcurrentHashMap<>();
    private final Consumer<String> end;
    private final Thread thread;

    /// What a loop has been asked, and whether it has answered.
    private static final class Answer {
        private volatile boolean given = true;
        private int unanswered;
    }

    /// @param end is told what is wrong, once, and ends the process
    EventLoopWatch(Consumer<String> end) {
        this.end = end;
        thread = Thread.ofPlatform().daemon().name("event-loop-watch").unstarted(this::run);
    }

    void start() {
        thread.start();
    }

    void add(EventExecutor loop) {
        loops.computeIfAbsent(loop, _ -> new Answer());
    }

    private void run() {
        try {
            while (check()) {
                Thread.sleep(INTERVAL);
            }
        } catch (InterruptedException _) {
            // The port is closed.
        }
    }

    /// Returns whether all is well.
    boolean check() {
        for (var entry : loops.entrySet()) {
            var answer = entry.getValue();
            answer.unanswered = answer.given ? 0 : answer.unanswered + 1;
            if (answer.unanswered >= MOST_UNANSWERED) {
                end.accept("an event loop has not answered for " + MOST_UNANSWERED * INTERVAL.toSeconds() + " s");
                return false;
            }
            if (answer.given && !ask(entry.getKey(), answer)) {
                end.accept("an event loop has ended");
                return false;
            }
        }
        return true;
    }

    private static boolean ask(EventExecutor loop, Answer answer) {
        answer.given = false;
        try {
            loop.execute(() -> answer.given = true);
            return true;
        } catch (RejectedExecutionException _) {
            return false;
        }
    }

    @Override
    public void close() {
        thread.interrupt();
        loops.clear();
    }
}
