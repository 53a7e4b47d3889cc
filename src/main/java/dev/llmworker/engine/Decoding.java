package dev.llmworker.engine;

import dev.llmworker.engine.vectors.Work;
import dev.llmworker.generation.FinishReason;
import java.time.Duration;
import java.util.function.BooleanSupplier;

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
        endAll(reason, () -> true);
    }

    @Override
    public void endAll(FinishReason reason, BooleanSupplier isTimeUp) {
        try {
            scheduler.endAll(reason, isTimeUp);
        } finally {
            for (var sequence : waiting.shut()) {
                sequence.finish(reason);
            }
        }
    }
}
