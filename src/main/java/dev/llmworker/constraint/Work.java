package dev.llmworker.constraint;

import java.util.concurrent.CancellationException;

/// The steps that compiling one constraint may take. All parts of it spend from the same.
///
/// Threading: one thread at a time.
final class Work {
    private static final class Spent {
        private long steps;
        private long nextCheck;
    }

    /// How many steps it takes between two looks at whether the thread is interrupted.
    private static final int CHECK_STEPS = 10_000;

    private final String path;
    private final Spent spent;

    /// For a constraint of its own.
    Work(String path) {
        this(path, new Spent());
    }

    private Work(String path, Spent spent) {
        this.path = path;
        this.spent = spent;
    }

    /// For a part of the same constraint.
    Work at(String part) {
        return new Work(part, spent);
    }

    /// The place in the schema.
    String path() {
        return path;
    }

    /// @throws ConstraintException if all steps have been spent
    /// @throws CancellationException if the thread is interrupted; it stays so
    void spend(long steps) {
        spent.steps += steps;
        if (spent.steps >= spent.nextCheck) {
            spent.nextCheck = spent.steps + CHECK_STEPS;
            if (Thread.currentThread().isInterrupted()) {
                throw new CancellationException("interrupted while a format was compiled");
            }
        }
        if (spent.steps > Limits.COMPILE_STEPS) {
            throw rejected(
                    "takes more than " + Limits.COMPILE_STEPS + " steps to compile, which is the limit; simplify it");
        }
    }

    boolean isSpent() {
        return spent.steps > Limits.COMPILE_STEPS;
    }

    ConstraintException rejected(String problem) {
        return new ConstraintException(path, problem);
    }
}
