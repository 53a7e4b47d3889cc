package dev.llmworker.model.decoder;

import dev.llmworker.model.LayerState;
import dev.llmworker.model.decoder.SlotCopies.State;
import java.util.Arrays;
import java.util.List;

/// Up to which positions slots can be reused, if some layers do not keep all of them. Such a layer has several
/// states of a slot. State 0 is the present one; the others are copies that were made at earlier positions.
///
/// - A recurrent state is that of one position: another sequence can go on from there alone.
/// - A ring holds what a window needs at the last positions, until later ones take their place.
///
/// Threading: as [Decoder].
final class SlotStates {
    private static final State NONE = new State(0, 0);

    private final boolean recurrent;
    private final List<LayerState.Ring> rings;
    private final State[][] slots;

    /// @param layers what each layer keeps
    SlotStates(List<LayerState> layers, int slots) {
        recurrent = layers.stream().anyMatch(LayerState.Recurrent.class::isInstance);
        rings = layers.stream()
                .filter(LayerState.Ring.class::isInstance)
                .map(LayerState.Ring.class::cast)
                .distinct()
                .toList();
        this.slots = new State[slots][LayerState.COPIES];
        for (var slot : this.slots) {
            Arrays.fill(slot, NONE);
        }
    }

    /// Whether a call changes states in a way that it cannot repeat.
    boolean areRecurrent() {
        return recurrent;
    }

    /// Whether all layers keep all positions. Then nothing here matters.
    boolean areComplete() {
        return !recurrent && rings.isEmpty();
    }

    /// The longest prefix of at most `length` positions from which another sequence can go on; 0 if there is
    /// none.
    int reusable(int slot, int length) {
        if (areComplete()) {
            return length;
        }
        var longest = 0;
        for (var state : slots[slot]) {
            longest = Math.max(longest, reusable(state, length));
        }
        return longest;
    }

    /// The same for one state.
    int reusable(State state, int length) {
        if (recurrent) {
            return state.position() <= length ? state.position() : 0;
        }
        var shared = Math.min(state.position(), length);
        return holds(state, shared) ? shared : 0;
    }

    private boolean holds(State state, int length) {
        if (length > state.position() || recurrent && length != state.position()) {
            return false;
        }
        return rings.stream()
                .allMatch(ring -> Math.max(0, length + 1 - ring.window()) >= state.farthest() - ring.length());
    }

    /// The number of a state from which a sequence can go on at `length`.
    ///
    /// @throws IllegalArgumentException if there is none
    int stateAt(int slot, int length) {
        for (var i = 0; i < LayerState.COPIES; i++) {
            if (holds(slots[slot][i], length)) {
                return i;
            }
        }
        throw new IllegalArgumentException("slot " + slot + " has no state after " + length + " tokens");
    }

    /// All states of a slot, the present one first; a position of 0 is none. The list is empty if nothing here matters.
    List<State> states(int slot) {
        return areComplete() ? List.of() : List.of(slots[slot]);
    }

    /// Another sequence begins in the slot, of which there is no state yet.
    void clear(int slot) {
        Arrays.fill(slots[slot], NONE);
    }

    /// Records that the present state was written.
    ///
    /// @param state of a longer or the same sequence
    /// @throws IllegalArgumentException if a sequence cannot go on from `length` with it
    void begin(int slot, State state, int length) {
        if (!holds(state, length)) {
            throw new IllegalArgumentException("a state after " + state.position() + " tokens is none after " + length);
        }
        slots[slot][0] = new State(length, state.farthest());
    }

    /// Records that the next `count` positions are written.
    ///
    /// @throws IllegalArgumentException if they are not the next ones
    void advance(int slot, int start, int count) {
        if (areComplete()) {
            return;
        }
        if (start == 0) {
            Arrays.fill(slots[slot], NONE);
        }
        var before = slots[slot][0];
        if (!holds(before, start)) {
            throw new IllegalArgumentException("slot " + slot + " holds the state after " + before.position()
                    + " tokens; it cannot go on from " + start);
        }
        var end = start + count;
        slots[slot][0] = new State(end, Math.max(end, before.farthest()));
    }

    /// The number of the copy that the present state may replace; 0 if there is such a copy already. The first
    /// copy stays longest: it is mostly what many prompts begin with.
    int copyToReplace(int slot) {
        var latest = 1;
        for (var i = 1; i < LayerState.COPIES; i++) {
            var copy = slots[slot][i];
            if (copy.position() == slots[slot][0].position()) {
                return 0;
            }
            if (copy.position() == 0) {
                return i;
            }
            if (copy.position() > slots[slot][latest].position()) {
                latest = i;
            }
        }
        return latest;
    }

    /// Records that a state was copied.
    void copied(int fromSlot, int from, int toSlot, int to) {
        slots[toSlot][to] = slots[fromSlot][from];
    }

    /// Whether a slot has a copy at one of the first `length` positions.
    boolean hasCopy(int slot, int copy, int length) {
        var position = slots[slot][copy].position();
        return position > 0 && position <= length;
    }

    void forget(int slot, int copy) {
        slots[slot][copy] = NONE;
    }

    /// The sequence ends at `length`; later copies are not of it.
    void cut(int slot, int length) {
        var present = slots[slot][0];
        slots[slot][0] = new State(length, present.farthest());
        for (var i = 1; i < LayerState.COPIES; i++) {
            if (slots[slot][i].position() > length) {
                slots[slot][i] = NONE;
            }
        }
    }

    void swap(int a, int b) {
        var kept = slots[a];
        slots[a] = slots[b];
        slots[b] = kept;
    }
}
