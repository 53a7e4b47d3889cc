package dev.llmworker.engine;

import dev.llmworker.engine.vectors.Work;
import dev.llmworker.generation.FinishReason;
import java.time.Duration;

/// Generating text: sequences that wait, and those that the scheduler runs.
record Decoding(Scheduler scheduler, WaitingQueue waiting) implements Work {
    @Override
    public boolean step() {
        return scheduler.step();
    }

    @Override
    public boolean awaitWork() throws InterruptedException {
        return waiting.awaitWork();
    }

    @Override
    public boolean staysEmpty(Duration duration) throws InterruptedException {
        return waiting.staysEmpty(duration);
    }

    @Override
    public void endAll(FinishReason reason) {
        endAll(reason, Duration.ZERO);
    }

    @Override
    public void endAll(FinishReason reason, Duration most) {
        try {
            scheduler.endAll(reason, most.toNanos());
        } finally {
            for (var sequence : waiting.shut()) {
                sequence.finish(reason);
            }
        }
    }
}
