package dev.llmworker.model;

/// The packed bfloat16 form of int4 weights, for many rows at once: twice as fast there, and three times as large as
/// the int4 form that it is made of. A small model has it only while it is worked with: it is made when a long prompt
/// comes, or bit by bit while large batches are decoded, and let go of when the worker rests. Making it costs a model
/// of 135 million weights what 250 prompt tokens save by it.
///
/// A prompt that nothing else runs beside always meets the same form, whether it was there before or not, and so gets
/// the same text. Beside others a prompt takes what is there, and waits for nothing.
///
/// Threading: the engine thread.
final class ManyRowsForm {
    /// Up to here making it is a matter of a fraction of a second.
    private static final int LATE_MEGABYTES = 1_000;
    /// Shorter chunks without company take the int4 form: up to 9 ms more for 31 tokens, but no wait for the other one.
    private static final int LONG_CHUNK = 32;
    /// Of weights, made at once between decode steps: less than a step's time.
    private static final long SLICE_ELEMENTS = 1;

    private final Program program;
    private final boolean late;
    private boolean wanted;
    private boolean there;

    private ManyRowsForm(Program program, boolean late) {
        this.program = program;
        this.late = late;
    }

    /// Made at once where it takes long, or where a text must never depend on what else runs.
    static ManyRowsForm of(Program program, boolean deterministic) {
        if (program.isNative()) {
            return none(program);
        }
        var megabytes = program.integer("packs_megabytes");
        var late = !deterministic && megabytes > 0 && megabytes <= LATE_MEGABYTES;
        var form = new ManyRowsForm(program, late);
        if (late) {
            program.run("pack_late", LONG_CHUNK);
        } else {
            form.pack(Long.MAX_VALUE);
        }
        return form;
    }

    /// One form is for all.
    private static ManyRowsForm none(Program program) {
        var form = new ManyRowsForm(program, false);
        form.there = true;
        return form;
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
        wanted |= rows >= MatrixForm.INT4.manyRowsFrom();
        if (late && wanted) {
            pack(SLICE_ELEMENTS);
        }
    }

    void release() {
        if (late && wanted) {
            program.run("unpack");
            wanted = false;
            there = false;
        }
    }

    private void pack(long elements) {
        if (!there) {
            there = !program.test("pack", elements);
        }
    }
}
