package dev.llmworker.engine;

import dev.llmworker.generation.Generation;
import dev.llmworker.generation.Prompt;
import dev.llmworker.generation.RefusedException;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;

/// Has long prompts encoded, a few at a time and on threads of their own: it is native code that takes seconds where
/// they are long enough, cannot be interrupted, and would keep the threads that all other requests run on.
///
/// Threading: any thread.
final class LongPrompts implements AutoCloseable {
    /// From here on a prompt is long. Shorter ones take some milliseconds.
    static final int LONG_CHARACTERS = 4096;
    /// Each may be as long as a request's body.
    static final int MAX_WAITING = 16;

    private static final int CORES_EACH = 4;
    private static final int KEEP_SECONDS = 60;

    private final ThreadPoolExecutor threads;

    LongPrompts() {
        this(Math.max(1, Runtime.getRuntime().availableProcessors() / CORES_EACH));
    }

    /// @param count of threads
    LongPrompts(int count) {
        threads = new ThreadPoolExecutor(
                count,
                count,
                KEEP_SECONDS,
                TimeUnit.SECONDS,
                new ArrayBlockingQueue<>(MAX_WAITING),
                Thread.ofPlatform().name("long-prompts-", 0).daemon().factory());
        threads.allowCoreThreadTimeOut(true);
    }

    static boolean isLong(Prompt prompt) {
        var characters = switch (prompt) {
            case Prompt.Raw(String text) -> text.length();
            case Prompt.Chat(var messages) ->
                messages.stream()
                        .mapToLong(message -> message.content().length())
                        .sum();
        };
        return characters >= LONG_CHARACTERS;
    }

    /// @param encoding makes the sequence and has it wait for a slot
    /// @throws RefusedException when too many wait already
    Generation encode(Supplier<Sequence> encoding) {
        var prompt = new LongPrompt(encoding, threads.getQueue()::remove);
        try {
            threads.execute(prompt);
        } catch (RejectedExecutionException _) {
            throw new RefusedException(
                    RefusedException.Reason.OVERLOADED,
                    "queue_full",
                    MAX_WAITING + " prompts of " + LONG_CHARACTERS
                            + " characters and more wait to be read already, which is the limit; try again shortly");
        }
        return prompt;
    }

    @Override
    public void close() {
        for (var prompt : threads.shutdownNow()) {
            ((LongPrompt) prompt).close();
        }
    }
}
