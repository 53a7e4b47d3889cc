package dev.llmworker.engine;

import dev.llmworker.generation.Generation;
import dev.llmworker.generation.Prompt;
import dev.llmworker.generation.RefusedException;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;

/// Encodes long prompts, a few at a time, on threads of its own. Encoding is native code that cannot be
/// interrupted and takes seconds for a very long prompt. It would otherwise occupy the threads that serve all
/// other requests.
///
/// Threading: any thread.
final class LongPrompts implements AutoCloseable {
    /// Prompts of this length or more are long. Encoding a shorter one takes some milliseconds.
    static final int LONG_CHARACTERS = 4096;
    /// The limit is low because each prompt may be as long as a request's body.
    static final int MAX_WAITING = 16;

    private static final int CORES_EACH = 4;
    private static final int KEEP_SECONDS = 60;

    private final ThreadPoolExecutor threads;

    LongPrompts() {
        this(Math.max(1, Runtime.getRuntime().availableProcessors() / CORES_EACH));
    }

    /// @param count number of threads
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
            case Prompt.Chat chat ->
                chat.messages().stream()
                        .mapToLong(message -> message.content().length())
                        .sum();
        };
        return characters >= LONG_CHARACTERS;
    }

    /// @param encoding makes the sequence and puts it into the waiting queue
    /// @throws RefusedException if too many prompts wait already
    Generation encode(Supplier<Sequence> encoding) {
        var prompt = new LongPrompt(encoding, threads.getQueue()::remove);
        try {
            threads.execute(prompt);
        } catch (RejectedExecutionException _) {
            throw new RefusedException(
                    RefusedException.Reason.OVERLOADED,
                    "queue_full",
                    MAX_WAITING + " long prompts (at least " + LONG_CHARACTERS
                            + " characters) are already waiting, which is the limit; try again shortly");
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
