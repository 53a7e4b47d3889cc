package dev.llmworker.model.decoder;

import java.lang.foreign.MemorySegment;
import java.util.List;

/// Copies what slots hold to main memory outside of the decoder, and back, bit by bit. Layers that keep all positions
/// are copied by ranges of positions. Of the others a whole [State] is copied, because another sequence can only go on
/// from one.
///
/// Threading: as [Decoder].
public interface SlotCopies {
    /// Ranges of positions begin at multiples of this.
    int STEP = 8;

    /// A state of a slot, or of a copy.
    ///
    /// @param position tokens that it is the state after
    /// @param farthest as many positions were written since the sequence began
    record State(int position, int farthest) {}

    /// The most bytes that all copies may take together, by the memory plan.
    long mostBytes();

    /// What must be the same in two processes, so that one can use the other's copies: the program, its numbers, and
    /// how
    /// they lie in memory. The model is not part of it.
    String format();

    /// Bytes that positions take in a copy.
    ///
    /// @param count is rounded up to a multiple of [#STEP]
    long positionBytes(int count);

    /// Bytes of a state; 0 if all layers keep all positions.
    long stateBytes();

    /// The states of a slot by their numbers; one whose position is 0 holds nothing. The list is empty if all
    /// layers keep all positions.
    List<State> states(int slot);

    /// The longest prefix of at most `length` positions from which a sequence can go on with a state; 0 if there is
    /// none.
    int reusable(State state, int length);

    /// Copies positions `start` to `end`, exclusive, which takes [#positionBytes] of their number.
    void readPositions(int slot, int start, int end, MemorySegment to);

    /// Copies a state of a slot.
    void readState(int slot, int number, MemorySegment to);

    /// As [#readPositions], the other way. With the first position a new sequence begins in the slot.
    ///
    /// @param from was copied of the same positions
    void writePositions(int slot, int start, int end, MemorySegment from);

    /// After the positions before it were written: the sequence in the slot goes on from `length`.
    ///
    /// @param length is [#reusable] with this state
    void writeState(int slot, State state, int length, MemorySegment from);
}
