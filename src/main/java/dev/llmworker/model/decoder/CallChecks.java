package dev.llmworker.model.decoder;

import dev.llmworker.model.DecoderDescription;

/// Checks that the arguments of a decoder's call are inside its vocabulary, slots and context. Otherwise the program
/// would read and write outside its memory.
record CallChecks(DecoderDescription description) {
    void chunk(int slot, int[] ids, int start) {
        slot(slot);
        if (ids.length == 0 || start < 0 || start > description.contextLength() - ids.length) {
            throw new IllegalArgumentException("a chunk of " + ids.length + " tokens from position " + start
                    + "; it must have 1 or more and end within " + description.contextLength());
        }
        for (var id : ids) {
            token(id);
        }
    }

    void batch(DecodeBatch batch, int steps) {
        if (batch.rows() < 1 || batch.rows() > description.slots() || steps < 1) {
            throw new IllegalArgumentException("a batch of " + batch.rows() + " rows and " + steps
                    + " steps; rows must be 1 to " + description.slots() + ", steps at least 1");
        }
        for (var row = 0; row < batch.rows(); row++) {
            token(batch.token(row));
            if (batch.position(row) < 0 || batch.position(row) > description.contextLength() - steps) {
                throw new IllegalArgumentException("row " + row + " decodes " + steps + " tokens from position "
                        + batch.position(row) + "; the context ends at " + description.contextLength());
            }
        }
    }

    void slot(int slot) {
        if (slot < 0 || slot >= description.slots()) {
            throw new IllegalArgumentException("slot is " + slot + "; it must be 0 to " + (description.slots() - 1));
        }
    }

    void length(int length) {
        if (length < 0 || length > description.contextLength()) {
            throw new IllegalArgumentException(
                    "length is " + length + "; a slot holds 0 to " + description.contextLength());
        }
    }

    void token(int id) {
        if (id < 0 || id >= description.vocabularySize()) {
            throw new IllegalArgumentException(
                    "token is " + id + "; it must be 0 to " + (description.vocabularySize() - 1));
        }
    }
}
