package dev.llmworker.engine;

import dev.llmworker.generation.AnswerFormat;
import dev.llmworker.generation.Generation;
import dev.llmworker.generation.GenerationRequest;
import dev.llmworker.generation.Lease;
import dev.llmworker.generation.Prompt;
import dev.llmworker.generation.RefusedException;
import dev.llmworker.text.chat.ChatMessage;
import dev.llmworker.text.tools.Tool;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.Callable;
import java.util.concurrent.Future;
import java.util.concurrent.FutureTask;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/// Encodes prompts whose encoding may take long, a few at a time, on threads of its own. It would otherwise
/// occupy the threads that serve all other requests. There is one for long prompts, which take
/// seconds. Another is for conversations: a model's chat template may take its
/// five seconds for each. A third is for formats that are not compiled yet: compiling one may take a second. It gets
/// prompts that the other two have encoded, so a request whose formats are compiled never waits for one whose are not.
///
/// Threading: any thread.
final class LongPrompts implements AutoCloseable {
    /// Prompts of this length or more are long. Encoding a shorter one takes some milliseconds.
    static final int LONG_CHARACTERS = 4096;
    /// The limit is low because each prompt may be as long as a request's body.
    static final int MAX_WAITING = 16;

    private static final int CORES_EACH = 4;
    private static final int KEEP_SECONDS = 60;

    /// Conversations are short, and their templates are rendered in well under a millisecond.
    static final int MAX_OTHERS_WAITING = 256;

    private final ThreadPoolExecutor threads;
    private final LongPrompts compilers;
    private final String refusal;

    /// @param compilers as [#formats()]
    LongPrompts(LongPrompts compilers) {
        this(Math.max(1, Runtime.getRuntime().availableProcessors() / CORES_EACH), compilers);
    }

    /// @param count number of threads
    /// @param compilers null for the same threads
    LongPrompts(int count, @Nullable LongPrompts compilers) {
        this(
                "long-prompts-",
                count,
                MAX_WAITING,
                MAX_WAITING + " long prompts (at least " + LONG_CHARACTERS + " characters)",
                compilers);
    }

    /// For conversations that are not long, and for requests whose answer has a format, or may have calls of tools.
    ///
    /// @param compilers as [#formats()]
    static LongPrompts conversations(LongPrompts compilers) {
        return new LongPrompts(
                "conversations-",
                Math.max(2, Runtime.getRuntime().availableProcessors()),
                MAX_OTHERS_WAITING,
                MAX_OTHERS_WAITING + " conversations and requests with a format",
                compilers);
    }

    /// One thread, for prompts whose formats must be compiled.
    static LongPrompts formats() {
        return new LongPrompts(
                "formats-",
                1,
                MAX_OTHERS_WAITING,
                MAX_OTHERS_WAITING + " requests with a new format or new tools",
                null);
    }

    /// @param waiting how many prompts may wait for a thread
    /// @param these what the message calls them
    private LongPrompts(String name, int count, int waiting, String these, @Nullable LongPrompts compilers) {
        this.compilers = compilers == null ? this : compilers;
        refusal = these + " are already waiting, which is the limit; try again shortly";
        threads = new ThreadPoolExecutor(
                count,
                count,
                KEEP_SECONDS,
                TimeUnit.SECONDS,
                new ArrayBlockingQueue<>(waiting),
                Thread.ofPlatform().name(name, 0).daemon().factory());
        threads.allowCoreThreadTimeOut(true);
    }

    static boolean isLong(GenerationRequest request) {
        var parts = request.parts();
        return isLong(
                request.prompt(), parts == null ? List.of() : parts.tools().offered(), request.format());
    }

    /// @param offered what the model learns of
    static boolean isLong(Prompt prompt, List<Tool> offered, @Nullable AnswerFormat answer) {
        var texts = switch (prompt) {
            case Prompt.Raw(String text) -> Stream.of(text);
            case Prompt.Chat chat -> chat.messages().stream().flatMap(ChatMessage::texts);
        };
        var tools = offered.stream().flatMap(tool -> Stream.of(tool.name(), tool.description(), tool.parameters()));
        var format = switch (answer) {
            case null -> Stream.<String>of();
            case AnswerFormat.Json json -> Stream.of(json.schema());
            case AnswerFormat.Pattern pattern -> Stream.of(pattern.regex());
            case AnswerFormat.Choice choice -> choice.options().stream();
        };
        return Stream.of(texts, tools, format)
                        .flatMap(all -> all)
                        .mapToLong(String::length)
                        .sum()
                >= LONG_CHARACTERS;
    }

    static boolean isLong(long characters) {
        return characters >= LONG_CHARACTERS;
    }

    /// Whether something is compiled for the answer.
    static boolean hasFormat(GenerationRequest request) {
        var parts = request.parts();
        return request.format() != null
                || parts != null
                        && (!parts.tools().callable().isEmpty()
                                || parts.maxReasoningTokens().isPresent());
    }

    /// @param encoding makes the sequence and puts it into the waiting queue
    /// @param left until the deadline: then the generation ends, whether or not the prompt is encoded
    /// @throws RefusedException if too many prompts wait already
    Generation encode(LongPrompt.Encoding encoding, Duration left) {
        var prompt = new LongPrompt(encoding, compilers::execute, this::withdraw, left);
        try (var place = Lease.of(prompt::close)) {
            execute(prompt);
            // From now on its caller closes it.
            place.keep();
            return prompt;
        }
    }

    private void execute(Runnable prompt) {
        try {
            threads.execute(prompt);
        } catch (RejectedExecutionException _) {
            throw refused();
        }
    }

    private boolean withdraw(LongPrompt prompt) {
        return threads.getQueue().remove(prompt) || compilers.threads.getQueue().remove(prompt);
    }

    private RefusedException refused() {
        return new RefusedException(RefusedException.Reason.OVERLOADED, "queue_full", refusal);
    }

    /// Encodes a prompt that nobody generates from.
    ///
    /// @return cancelling it ends the work
    /// @throws RefusedException if too many prompts wait already
    <T> Future<T> submit(Callable<T> encoding) {
        var task = new FutureTask<>(encoding) {
            @Override
            protected void done() {
                if (isCancelled()) {
                    threads.getQueue().remove(this);
                }
            }
        };
        execute(task);
        return task;
    }

    /// How many prompts wait or are being encoded.
    int underWay() {
        return threads.getQueue().size() + threads.getActiveCount();
    }

    @Override
    public void close() {
        for (var prompt : threads.shutdownNow()) {
            switch (prompt) {
                case LongPrompt generation -> generation.close();
                case Future<?> encoding -> encoding.cancel(true);
                default -> throw new IllegalStateException("neither a prompt nor its encoding waits here");
            }
        }
    }
}
