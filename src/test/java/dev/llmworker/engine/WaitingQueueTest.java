package dev.llmworker.engine;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.llmworker.sampling.SamplingParameters;
import dev.llmworker.stats.EngineStats;
import dev.llmworker.text.Detokenizer;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// How many requests may wait for a slot, and that none waits where none may.
class WaitingQueueTest {
    private static final int SLOTS = 2;

    private final FakeDecoder decoder = new FakeDecoder(SLOTS, 100, false);

    private Sequence sequence(WaitingQueue waiting, int tokens, Sequence.FinishListener listener) {
        var admission = PlainAdmission.of(
                1, new int[] {3, 4}, tokens, true, SamplingParameters.greedy(), Long.MAX_VALUE / 4, "");
        return new Sequence(admission, new Detokenizer(new LetterTokenizer()), waiting, () -> 0, listener);
    }

    private boolean offer(WaitingQueue waiting) {
        return waiting.offer(sequence(waiting, 5, (_, _) -> {}));
    }

    private Scheduler scheduler(WaitingQueue waiting) {
        return new Scheduler(decoder, _ -> false, waiting, () -> 0, new EngineStats(), Runnable::run);
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 1, 5})
    void asManyAreTakenAsHaveASlotOrMayWait(int limit) {
        var waiting = new WaitingQueue(limit);
        var scheduler = scheduler(waiting);
        for (var round = 0; round < 3; round++) {
            for (var i = 0; i < SLOTS + limit; i++) {
                assertTrue(offer(waiting), "request " + i);
            }
            assertFalse(offer(waiting));
            scheduler.step();
            assertEquals(limit, waiting.size());
            assertFalse(offer(waiting));
            while (scheduler.step()) {}
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 2, 5})
    void aSlotIsFreeBeforeItsClientLearnsThatTheAnswerHasEnded(int tokens) {
        var waiting = new WaitingQueue(0);
        var scheduler = scheduler(waiting);
        var next = new ArrayList<Boolean>();
        for (var i = 0; i < SLOTS; i++) {
            assertTrue(waiting.offer(sequence(waiting, tokens, (_, _) -> next.add(offer(waiting)))));
        }
        while (scheduler.step()) {}
        assertEquals(List.of(true, true), next);
    }

    @Test
    void aQueueThatIsShutTakesNothing() {
        var waiting = new WaitingQueue(0);
        scheduler(waiting);
        waiting.shut();
        assertFalse(offer(waiting));
    }
}
