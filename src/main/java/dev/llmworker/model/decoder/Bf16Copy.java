package dev.llmworker.model.decoder;

/// The packed bfloat16 copy of int4 weights, for many rows at once. It is twice as fast there as int4, and three
/// times as large. A small model only has it while it is busy: it is made when a long prompt comes, or bit by bit
/// while large batches are decoded, and dropped when the worker rests. For a model of 135 million weights, making it
/// costs as much time as it saves over 250 prompt tokens.
///
/// A prompt that runs alone always uses the copy, and therefore gets the same text every time. A prompt beside
/// others uses what is there, and does not wait.
///
/// Threading: the engine thread.
final class Bf16Copy {
    /// Up to this size, making it takes a fraction of a second.
    private static final int LATE_MEGABYTES = 1_000;
    /// Shorter chunks that run alone use int4: it takes up to 9 ms more for 31 tokens, but they need not wait for
    /// the copy.
    private static final int LONG_CHUNK = 32;
    /// Elements made between two decode steps, in less than a step's time.
    private static final long SLICE_ELEMENTS = 1;

    private final QuantisedProgram program;
    private final boolean late;
    private boolean wanted;
    private boolean complete;

    private Bf16Copy(QuantisedProgram program, boolean late) {
        this.program = program;
        this.late = late;
    }

    /// Makes the copy at once if that takes long, or if a text must never depend on what else runs.
    static Bf16Copy of(QuantisedProgram program, boolean deterministic) {
        var megabytes = program.packsMegabytes();
        var late = !deterministic && megabytes > 0 && megabytes <= LATE_MEGABYTES;
        var copy = new Bf16Copy(program, late);
        if (late) {
            program.packLate(LONG_CHUNK);
        } else {
            copy.pack(Long.MAX_VALUE);
        }
        return copy;
    }

    /// @param alone nothing else is being decoded
    void beforePrompt(int tokens, boolean alone) {
        if (late && tokens >= LONG_CHUNK) {
            wanted = true;
            if (alone) {
                pack(Long.MAX_VALUE);
            }
        }
    }

    void afterStep(int rows) {
        wanted |= rows >= WeightLayout.INT4.manyRowsFrom();
        if (late && wanted) {
            pack(SLICE_ELEMENTS);
        }
    }

    void release() {
        if (late && wanted) {
            program.unpack();
            wanted = false;
            complete = false;
        }
    }

    private void pack(long elements) {
        if (!complete) {
            complete = !program.pack(elements);
        }
    }
}
