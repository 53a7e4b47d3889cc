package dev.llmworker.model.decoder;

import dev.llmworker.model.LayerState;
import dev.llmworker.model.device.Precision;
import java.lang.foreign.MemorySegment;
import java.util.List;

/// Copies of a program's slots.
///
/// @param format as [SlotCopies#format()]
/// @param mostBytes as [SlotCopies#mostBytes()]
/// @param bytesPerPosition of the layers that keep all positions
/// @param stateBytes of a state of the others
record ProgramCopies(
        DecoderProgram program,
        CacheRoom room,
        SlotStates slots,
        String format,
        long mostBytes,
        long bytesPerPosition,
        long stateBytes)
        implements SlotCopies {
    /// @param cache format of keys and values
    static ProgramCopies of(
            DecoderProgram program,
            CacheRoom room,
            SlotStates slots,
            List<LayerState> layers,
            Precision cache,
            String format,
            long mostBytes) {
        var perPosition =
                layers.stream().mapToLong(layer -> layer.perPosition(cache)).sum();
        var fixed = layers.stream().mapToLong(layer -> layer.fixed(cache)).sum();
        return new ProgramCopies(program, room, slots, format, mostBytes, perPosition, fixed / LayerState.COPIES);
    }

    @Override
    public long positionBytes(int count) {
        return bytesPerPosition * Math.ceilDiv(count, STEP) * STEP;
    }

    @Override
    public List<State> states(int slot) {
        return slots.states(slot);
    }

    @Override
    public int reusable(State state, int length) {
        return slots.reusable(state, length);
    }

    @Override
    public void readPositions(int slot, int start, int end, MemorySegment to) {
        check(start, end, to);
        program.readPositions(slot, start, end, to);
    }

    @Override
    public void readState(int slot, int number, MemorySegment to) {
        program.readState(slot, number, to);
    }

    @Override
    public void writePositions(int slot, int start, int end, MemorySegment from) {
        check(start, end, from);
        if (start == 0) {
            slots.clear(slot);
        }
        if (!room.reserve(slot, start, end)) {
            throw new OutOfMemoryException("the KV cache has no room for a copied prefix", null);
        }
        program.writePositions(slot, start, end, from);
    }

    @Override
    public void writeState(int slot, State state, int length, MemorySegment from) {
        slots.begin(slot, state, length);
        try {
            program.writeState(slot, 0, from);
        } catch (RuntimeException e) {
            slots.clear(slot);
            throw e;
        }
    }

    private void check(int start, int end, MemorySegment copy) {
        if (start < 0 || start % STEP != 0 || end <= start || copy.byteSize() < positionBytes(end - start)) {
            throw new IllegalArgumentException("positions " + start + " to " + end + " are not copied: ranges begin at"
                    + " multiples of " + STEP + ", and these take " + positionBytes(end - start) + " bytes, not "
                    + copy.byteSize());
        }
    }
}
