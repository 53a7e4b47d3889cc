package dev.llmworker.engine;

import dev.llmworker.constraint.Constraint;
import dev.llmworker.generation.memory.HeldMemory;
import java.util.List;
import java.util.function.LongConsumer;
import org.jspecify.annotations.Nullable;

/// Counts the memory of a sequence's constraints, from [#countIn] to [#end].
///
/// Threading: any thread.
final class FormatMemory {
    private final List<Constraint> constraints;
    private @Nullable LongConsumer memory;
    private boolean hasEnded;

    FormatMemory(List<Constraint> constraints) {
        this.constraints = constraints;
    }

    synchronized void countIn(HeldMemory held) {
        if (hasEnded || memory != null) {
            return;
        }
        // Another object for each sequence: it stands for the sequence among those that use a constraint.
        LongConsumer own = bytes -> held.add(bytes);
        memory = own;
        constraints.forEach(constraint -> constraint.use(own));
    }

    synchronized void end() {
        hasEnded = true;
        var own = memory;
        memory = null;
        if (own != null) {
            constraints.forEach(constraint -> constraint.release(own));
        }
    }
}
