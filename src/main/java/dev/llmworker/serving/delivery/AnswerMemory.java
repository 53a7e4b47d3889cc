package dev.llmworker.serving.delivery;

import dev.llmworker.generation.HeldMemory;
import dev.llmworker.serving.memory.MemoryBudget;
import dev.llmworker.serving.wire.JsonError;

/// The memory of one answer, as a part of the budget of all requests.
///
/// Threading: any thread.
record AnswerMemory(MemoryBudget.Lease lease) implements HeldMemory {
    @Override
    public void take(long bytes) {
        if (bytes <= 0) {
            // Needs no room, even if others hold more than there is.
            lease.add(bytes);
        } else if (!lease.take(bytes)) {
            throw JsonError.refusal(lease, bytes);
        }
    }

    @Override
    public void add(long bytes) {
        lease.add(bytes);
    }
}
