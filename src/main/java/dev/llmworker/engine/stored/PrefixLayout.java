package dev.llmworker.engine.stored;

import dev.llmworker.model.decoder.SlotCopies;

/// What the copies of this process look like. A file of another layout is not used.
///
/// @param identity of the model, its tokenizer, the program that runs it and the format of files: 32 bytes
/// @param pieceTokens positions of a piece
/// @param vocabulary ids are smaller
/// @param contextLength the most positions
public record PrefixLayout(byte[] identity, int pieceTokens, int vocabulary, int contextLength, SlotCopies copies) {
    /// Bytes of the piece with this index, of a prefix of `length` positions.
    long pieceBytes(int index, int length) {
        return Math.max(1, copies.positionBytes(Math.min(pieceTokens, length - index * pieceTokens)));
    }

    long stateBytes() {
        return Math.max(1, copies.stateBytes());
    }
}
