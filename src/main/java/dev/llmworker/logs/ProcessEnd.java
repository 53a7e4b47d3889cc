package dev.llmworker.logs;

import java.time.Duration;
import java.util.function.Consumer;
import org.slf4j.LoggerFactory;

/// Ends the process, once the log is written.
///
/// Threading: any thread.
public final class ProcessEnd {
    public static final int FAILED = 1;
    /// A log that nobody reads delays the end by no more than this.
    private static final Duration MOST_FLUSHING = Duration.ofSeconds(1);
    /// How long an orderly end may take beyond the time for running requests.
    private static final Duration MOST_STOPPING = Duration.ofSeconds(60);

    private static volatile Consumer<Duration> flush = _ -> {};

    private ProcessEnd() {}

    /// @param flush waits until all lines are written, or until the time is up
    static void flushBy(Consumer<Duration> flush) {
        ProcessEnd.flush = flush;
    }

    /// Waits until the log is written.
    public static void flushLog() {
        flush.accept(MOST_FLUSHING);
    }

    /// Ends the process without its shutdown hooks.
    public static void halt(int status) {
        try {
            flushLog();
        } finally {
            Runtime.getRuntime().halt(status);
        }
    }

    /// Ends a process whose shutdown hooks would wait for what can no longer come.
    public static void halt(String why) {
        try {
            say(why);
        } finally {
            halt(FAILED);
        }
    }

    /// Ends the process in order: running requests get their time, and WebSockets are closed. Returns only if the
    /// thread is interrupted.
    ///
    /// @param most how long running requests may take
    public static void exit(String why, Duration most) {
        try {
            say(why);
            // On a thread of its own, because a hook may hang.
            Thread.ofPlatform().daemon().name("exit").start(() -> System.exit(FAILED));
            Thread.sleep(most.plus(MOST_STOPPING));
        } catch (InterruptedException _) {
            Thread.currentThread().interrupt();
            return;
        } catch (Throwable e) {
            // No memory for a thread.
            Runtime.getRuntime().halt(FAILED);
        }
        halt(FAILED);
    }

    private static void say(String why) {
        LoggerFactory.getLogger("dev.llmworker.Worker")
                .error("the worker ends with status {}, because {}", FAILED, why);
    }

    /// Ends the process if a thread ends for want of memory, such as direct memory or a new thread's. The JVM's own
    /// flag only watches the heap. Without the thread the worker may look alive and answer nothing.
    public static void whenMemoryIsOut() {
        Thread.setDefaultUncaughtExceptionHandler((thread, failure) -> uncaught(thread, failure, ProcessEnd::halt));
    }

    static void uncaught(Thread thread, Throwable failure, Consumer<String> halt) {
        LoggerFactory.getLogger("dev.llmworker.Worker")
                .error("the thread {} has ended by a failure", thread.getName(), failure);
        if (failure instanceof OutOfMemoryError) {
            halt.accept("memory is out: " + failure.getMessage());
        }
    }
}
