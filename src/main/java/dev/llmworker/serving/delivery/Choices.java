package dev.llmworker.serving.delivery;

import dev.llmworker.generation.Answer;
import dev.llmworker.generation.FinishReason;
import dev.llmworker.generation.Generation;
import dev.llmworker.generation.GenerationEvent;
import dev.llmworker.generation.GenerationRequest;
import dev.llmworker.generation.Generator;
import dev.llmworker.generation.Timings;
import dev.llmworker.serving.wire.Ending;
import dev.llmworker.serving.wire.JsonError;
import dev.llmworker.serving.wire.RequestException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executors;
import java.util.concurrent.Semaphore;
import java.util.function.IntFunction;
import org.jspecify.annotations.Nullable;

/// Runs the choices of one request: a number of answers to each of its prompts. The first answer to a prompt begins
/// alone. The others begin after its first token, so that they reuse the cached prompt. If one choice fails or the
/// client disconnects, all end.
///
/// Threading: one thread calls [#run]. Several threads call the readers, one at a time.
public final class Choices {
    /// How many choices of one request the engine has at once.
    static final int MAX_UNDER_WAY = 16;

    private final Generations generations;
    private final Caller caller;
    private final int perPrompt;
    private final IntFunction<GenerationRequest> requests;
    private final IntFunction<? extends Reader> readers;
    private final @Nullable Ending[] endings;
    private final List<Answer<?>> answers = new ArrayList<>();
    private final Semaphore places = new Semaphore(MAX_UNDER_WAY);
    private @Nullable Throwable failure;
    private boolean over;

    /// Who gets one choice.
    public interface Reader extends Generations.Reader {
        /// The choice has ended, by no error.
        default void finished(Ending ending) {}
    }

    /// @param count of choices
    /// @param perPrompt how many consecutive choices have the same prompt
    public Choices(
            Generations generations,
            Caller caller,
            int count,
            int perPrompt,
            IntFunction<GenerationRequest> requests,
            IntFunction<? extends Reader> readers) {
        this.generations = generations;
        this.caller = caller;
        this.perPrompt = perPrompt;
        this.requests = requests;
        this.readers = readers;
        this.endings = new Ending[count];
    }

    /// Runs all choices to their ends.
    ///
    /// @return how each ended; a choice that was not begun before the request was cancelled ended like it
    /// @throws RuntimeException if a choice is refused or fails
    public List<Ending> run() {
        if (endings.length == 1) {
            run(new Choice(0, null));
        } else {
            runBesideEachOther();
        }
        synchronized (this) {
            switch (failure) {
                case null -> {}
                case RuntimeException e -> throw e;
                case Error e -> throw e;
                case Throwable e -> throw new IllegalStateException(e);
            }
        }
        return Arrays.stream(endings).map(Choices::orCancelled).toList();
    }

    private static Ending orCancelled(@Nullable Ending ending) {
        return ending != null
                ? ending
                : new Ending(new GenerationEvent.Finished(FinishReason.CANCELLED, 0, 0), new Timings(0, -1, -1, 0));
    }

    private void runBesideEachOther() {
        var factory = Thread.ofVirtual().name("choice-", 0).factory();
        try (var threads = Executors.newThreadPerTaskExecutor(factory)) {
            Choice first = null;
            Choice ofPrompt = null;
            for (var index = 0; index < endings.length; index++) {
                places.acquire();
                if (isOver() || caller.client().isUnwanted()) {
                    return;
                }
                var lead = index % perPrompt == 0;
                var choice = new Choice(index, lead ? first : ofPrompt);
                threads.execute(() -> {
                    run(choice);
                    places.release();
                });
                if (lead) {
                    ofPrompt = choice;
                    first = first == null ? choice : first;
                    choice.awaitBegun();
                }
            }
        } catch (InterruptedException _) {
            end(null);
            Thread.currentThread().interrupt();
        }
    }

    private void run(Choice choice) {
        try {
            var ending =
                    generations.run(requests.apply(choice.index), caller, choice, choice::submit, choice.counted());
            synchronized (this) {
                if (ending.finished().reason() == FinishReason.ERROR) {
                    throw new RequestException(JsonError.failed(ending.finished()));
                }
                endings[choice.index] = ending;
                choice.reader.finished(ending);
                // The deadline and a cancellation are the request's.
                over = over || ending.isCut();
            }
        } catch (Throwable e) {
            end(e);
        } finally {
            choice.begun.complete(null);
        }
    }

    private synchronized boolean isOver() {
        return over;
    }

    /// No more choices begin, and those that run end.
    private synchronized void end(@Nullable Throwable cause) {
        over = true;
        failure = failure == null ? cause : failure;
        answers.forEach(Answer::close);
    }

    /// One answer. Its reader is called while nothing else of the request is.
    private final class Choice implements Generations.Reader {
        final int index;
        final Reader reader;
        final CompletableFuture<Void> begun = new CompletableFuture<>();
        private final @Nullable Choice accepted;
        private volatile @Nullable Generation generation;

        /// @param accepted the first choice of the prompt; if this is it, that of the request; null if this is that
        Choice(int index, @Nullable Choice accepted) {
            this.index = index;
            this.accepted = accepted;
            this.reader = readers.apply(index);
        }

        Generation submit(Generator generator, GenerationRequest request) {
            var before = accepted == null ? null : accepted.generation;
            var submitted = before == null
                    ? generator.submit(request)
                    : index % perPrompt == 0
                            ? generator.submitBeside(before, request)
                            : generator.submitChoice(before, request);
            generation = submitted;
            return submitted;
        }

        /// Each prompt counts with the first of its choices.
        Generations.Counted counted() {
            if (accepted == null) {
                return Generations.Counted.REQUEST;
            }
            return index % perPrompt == 0 ? Generations.Counted.PROMPT : Generations.Counted.ANSWER;
        }

        /// Waits until choices of the same prompt can reuse what is cached of it; if there are none, until the choice
        /// is accepted.
        void awaitBegun() {
            begun.join();
        }

        @Override
        public void began(Answer<?> answer) {
            synchronized (Choices.this) {
                answers.add(answer);
                if (failure != null) {
                    answer.close();
                }
            }
        }

        @Override
        public void accepted() {
            synchronized (Choices.this) {
                reader.accepted();
            }
            if (perPrompt == 1) {
                begun.complete(null);
            }
        }

        @Override
        public boolean token(GenerationEvent.Token token) {
            begun.complete(null);
            synchronized (Choices.this) {
                return reader.token(token);
            }
        }

        @Override
        public long keptBytes() {
            return reader.keptBytes();
        }
    }
}
