package dev.llmworker.testing;

import dev.llmworker.Worker;
import dev.llmworker.generation.FinishReason;
import dev.llmworker.generation.Generation;
import dev.llmworker.generation.GenerationEvent;
import dev.llmworker.generation.GenerationRequest;
import dev.llmworker.generation.Generator;
import dev.llmworker.generation.Readiness;
import dev.llmworker.settings.Settings;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.Iterator;
import java.util.Optional;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;

/// A worker whose model takes its time: a token each few milliseconds, and the last one of an answer not before the
/// process's standard input ends. For processes that are to be stopped meanwhile.
public final class SlowWorker {
    private static final long TOKEN_MILLIS = 20;
    private static final CountDownLatch INPUT_ENDED = new CountDownLatch(1);

    private SlowWorker() {}

    public static void main(String[] args) throws Exception {
        Thread.ofPlatform().daemon().start(SlowWorker::awaitInputEnd);
        Worker.serve(Settings.read(System.getenv()), (_, _, _) -> new SlowGenerator());
    }

    private static void awaitInputEnd() {
        try {
            while (System.in.read() >= 0) {
                // What is in it says nothing.
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        INPUT_ENDED.countDown();
    }

    private static final class SlowGenerator implements Generator {
        @Override
        public Generation submit(GenerationRequest request) {
            return new Answer(request.tokenLimit());
        }

        @Override
        public Readiness readiness() {
            return new Readiness.Ready();
        }

        @Override
        public Optional<String> modelId() {
            return Optional.of("slow");
        }

        @Override
        public void close() {}
    }

    private static final class Answer implements Generation, Iterator<GenerationEvent> {
        private final int limit;
        private final CountDownLatch closed = new CountDownLatch(1);
        private int index;
        private boolean finished;

        Answer(int limit) {
            this.limit = limit;
        }

        @Override
        public Iterator<GenerationEvent> iterator() {
            return this;
        }

        @Override
        public boolean hasNext() {
            return !finished;
        }

        @Override
        public GenerationEvent next() {
            try {
                var ended = closed.await(TOKEN_MILLIS, TimeUnit.MILLISECONDS);
                while (!ended && index == limit - 1 && INPUT_ENDED.getCount() > 0) {
                    ended = closed.await(TOKEN_MILLIS, TimeUnit.MILLISECONDS);
                }
                if (!ended && index < limit) {
                    return new GenerationEvent.Token(index++, "x");
                }
            } catch (InterruptedException _) {
                // As if it were closed.
            }
            finished = true;
            return new GenerationEvent.Finished(index < limit ? FinishReason.CANCELLED : FinishReason.LENGTH, 1, index);
        }

        @Override
        public void close() {
            closed.countDown();
        }
    }
}
