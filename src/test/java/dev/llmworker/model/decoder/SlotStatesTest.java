package dev.llmworker.model.decoder;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.llmworker.model.LayerState;
import java.util.List;
import org.junit.jupiter.api.Test;

class SlotStatesTest {
    private static final LayerState FULL = new LayerState.Full(1, 8);
    private static final LayerState RECURRENT = new LayerState.Recurrent(64);
    /// It keeps 256 positions.
    private static final LayerState RING = new LayerState.Ring(1, 8, 100);

    private static SlotStates states(LayerState... layers) {
        return new SlotStates(List.of(layers), 3);
    }

    private static void keep(SlotStates states, int slot) {
        states.copied(slot, 0, slot, states.copyToReplace(slot));
    }

    @Test
    void withAllPositionsAnyPrefixIsReusable() {
        var states = states(FULL, FULL);
        assertTrue(states.areComplete());
        assertEquals(77, states.reusable(0, 77));
    }

    @Test
    void aRecurrentStateIsReusableAtItsOwnPositionAlone() {
        var states = states(FULL, RECURRENT);
        assertFalse(states.areComplete());
        states.advance(1, 0, 50);
        assertEquals(0, states.reusable(1, 49));
        assertEquals(50, states.reusable(1, 50));
        assertEquals(50, states.reusable(1, 90));
        assertEquals(0, states.reusable(0, 90));
        assertThrows(IllegalArgumentException.class, () -> states.advance(1, 49, 1));
        assertThrows(IllegalArgumentException.class, () -> states.stateAt(1, 49));
    }

    @Test
    void theFirstCopyStaysAndTheLatestIsReplaced() {
        var states = states(RECURRENT);
        for (var start = 0; start < 40; start += 10) {
            states.advance(0, start, 10);
            keep(states, 0);
        }
        states.advance(0, 40, 5);
        assertEquals(10, states.reusable(0, 39));
        assertEquals(40, states.reusable(0, 44));
        assertEquals(45, states.reusable(0, 45));
    }

    @Test
    void aPositionIsKeptOnce() {
        var states = states(RECURRENT);
        states.advance(0, 0, 10);
        keep(states, 0);
        assertEquals(0, states.copyToReplace(0));
    }

    @Test
    void aNewSequenceForgetsTheCopiesOfTheLast() {
        var states = states(RECURRENT);
        states.advance(0, 0, 10);
        keep(states, 0);
        states.advance(0, 0, 20);
        assertEquals(0, states.reusable(0, 19));
    }

    @Test
    void whatIsCutOffIsNotReusable() {
        var states = states(RECURRENT);
        states.advance(0, 0, 10);
        keep(states, 0);
        states.advance(0, 10, 10);
        keep(states, 0);
        states.advance(0, 20, 10);
        states.copied(0, states.stateAt(0, 10), 0, 0);
        states.cut(0, 10);
        assertEquals(10, states.reusable(0, 25));
        states.advance(0, 10, 3);
        assertEquals(10, states.reusable(0, 12));
    }

    /// After 600 positions a ring has 344 and up. Position 443 sees those.
    @Test
    void aRingIsReusableWhereItsWindowIsStillThere() {
        var states = states(FULL, RING);
        states.advance(0, 0, 300);
        keep(states, 0);
        states.advance(0, 300, 300);
        assertEquals(443, states.reusable(0, 443));
        assertEquals(300, states.reusable(0, 442));
        // The copy after 300 positions has 44 and up.
        assertEquals(143, states.reusable(0, 143));
        assertEquals(0, states.reusable(0, 142));
        assertEquals(1, states.stateAt(0, 143));
        assertEquals(0, states.stateAt(0, 600));
    }

    @Test
    void whatWasOverwrittenStaysSoAfterGoingBack() {
        var states = states(RING);
        states.advance(0, 0, 600);
        states.cut(0, 500);
        states.advance(0, 500, 10);
        assertEquals(443, states.reusable(0, 443));
        assertEquals(0, states.reusable(0, 442));
        states.swap(0, 2);
        assertEquals(510, states.reusable(2, 600));
    }

    @Test
    void aShortSequenceIsReusableFromAnyPosition() {
        var states = states(RING);
        states.advance(0, 0, 256);
        assertEquals(1, states.reusable(0, 1));
        states.advance(0, 256, 1);
        assertEquals(0, states.reusable(0, 99));
        assertEquals(100, states.reusable(0, 100));
    }
}
