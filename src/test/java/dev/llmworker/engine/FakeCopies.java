package dev.llmworker.engine;

import dev.llmworker.model.decoder.SlotCopies;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;

/// Copies of a [FakeDecoder]'s slots. Each position takes so much memory that a prompt is copied in several pieces.
/// A state has a hash of the ids before it, so that one of another sequence is found.
record FakeCopies(FakeDecoder decoder, long mostBytes, long bytesPerPosition) implements SlotCopies {
    /// A piece has 64 positions.
    static final long POSITION_BYTES = 64 << 10;
    static final long STATE_BYTES = 1 << 20;

    @Override
    public String format() {
        return "fake, " + bytesPerPosition + " bytes";
    }

    @Override
    public long positionBytes(int count) {
        return bytesPerPosition * Math.ceilDiv(count, STEP) * STEP;
    }

    @Override
    public long stateBytes() {
        return decoder.needsKept() ? STATE_BYTES : 0;
    }

    @Override
    public List<State> states(int slot) {
        return decoder.needsKept()
                ? Stream.concat(Stream.of(decoder.state[slot]), decoder.kept.get(slot).stream())
                        .map(position -> new State(position, position))
                        .toList()
                : List.of();
    }

    @Override
    public int reusable(State state, int length) {
        return state.position() <= length ? state.position() : 0;
    }

    @Override
    public void readPositions(int slot, int start, int end, MemorySegment to) {
        check(slot, start, end, to);
        decoder.check(end <= decoder.cached[slot], "a copy of positions up to " + end + " of slot " + slot);
        decoder.copying(() -> {});
        decoder.piecesRead++;
        to.set(ValueLayout.JAVA_INT, to.byteSize() - Integer.BYTES, end - start);
        MemorySegment.copy(decoder.cache[slot], start, to, ValueLayout.JAVA_INT, 0, end - start);
    }

    @Override
    public void readState(int slot, int number, MemorySegment to) {
        decoder.copying(() -> {});
        to.set(ValueLayout.JAVA_INT, 0, hash(slot, states(slot).get(number).position()));
    }

    @Override
    public void writePositions(int slot, int start, int end, MemorySegment from) {
        check(slot, start, end, from);
        if (start == 0) {
            decoder.kept.get(slot).clear();
            decoder.state[slot] = 0;
        }
        decoder.check(
                from.get(ValueLayout.JAVA_INT, from.byteSize() - Integer.BYTES) == end - start,
                "another number of positions than was copied");
        decoder.check(start == 0 || start <= decoder.cached[slot], "positions from " + start + " of slot " + slot);
        decoder.copying(() -> MemorySegment.copy(from, ValueLayout.JAVA_INT, 0, decoder.cache[slot], start, 1));
        MemorySegment.copy(from, ValueLayout.JAVA_INT, 0, decoder.cache[slot], start, end - start);
        decoder.cached[slot] = end;
    }

    @Override
    public void writeState(int slot, State state, int length, MemorySegment from) {
        decoder.check(length == state.position(), "the state after " + length + " tokens");
        decoder.copying(() -> decoder.state[slot] = 0);
        decoder.check(hash(slot, length) == from.get(ValueLayout.JAVA_INT, 0), "a state of other tokens");
        decoder.state[slot] = length;
    }

    private int hash(int slot, int length) {
        return Arrays.hashCode(Arrays.copyOf(decoder.cache[slot], length));
    }

    private void check(int slot, int start, int end, MemorySegment copy) {
        decoder.check(
                start % STEP == 0 && start < end && copy.byteSize() >= positionBytes(end - start),
                "a copy of positions " + start + " to " + end + " of slot " + slot);
    }
}
