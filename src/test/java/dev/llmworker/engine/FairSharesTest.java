package dev.llmworker.engine;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.llmworker.generation.Share;
import dev.llmworker.sampling.SamplingParameters;
import dev.llmworker.stats.EngineStats;
import dev.llmworker.testing.Seeded;
import dev.llmworker.testing.Seeds;
import dev.llmworker.text.Detokenizer;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.RepeatedTest;
import org.junit.jupiter.api.RepetitionInfo;
import org.junit.jupiter.api.Test;

/// Whose requests get the slots if there are fewer slots than requests: through the real scheduler, over a
/// fake decoder.
class FairSharesTest {
    private static final int CONTEXT = 400;

    private Random random = new Random(7);
    private WaitingQueue waiting = new WaitingQueue(1000);
    private Scheduler scheduler = scheduler(1);
    private long requests;
    private long nowNanos;

    private Scheduler scheduler(int slots) {
        var decoder = new FakeDecoder(slots, CONTEXT);
        decoder.work = nanos -> nowNanos += nanos;
        return new Scheduler(decoder, _ -> false, waiting, () -> nowNanos, new EngineStats(), Runnable::run);
    }

    private void startWith(int slots, int queueLimit) {
        waiting = new WaitingQueue(queueLimit);
        scheduler = scheduler(slots);
        // Free slots are known from the first step on.
        scheduler.step();
    }

    /// Who sends requests.
    private final class Owner {
        final Share share;
        final List<Sequence> unfinished = new ArrayList<>();
        int finished;
        private long workOfFinished;

        Owner(String name, int weight) {
            share = new Share(name, weight);
        }

        /// @return whether it was accepted
        boolean submit(int promptTokens, int tokens) {
            var admission = PlainAdmission.of(
                    requests++,
                    random.ints(promptTokens, 3, FakeDecoder.VOCABULARY).toArray(),
                    tokens,
                    true,
                    SamplingParameters.greedy(),
                    Long.MAX_VALUE / 4,
                    share.owner(),
                    share,
                    null);
            var sequence =
                    new Sequence(admission, new Detokenizer(new LetterTokenizer()), waiting, () -> 0, (ended, _) -> {
                        finished++;
                        workOfFinished += ended.work();
                        unfinished.remove(ended);
                    });
            if (!waiting.offer(sequence)) {
                return false;
            }
            unfinished.add(sequence);
            return true;
        }

        long work() {
            var ofRunning = unfinished.stream()
                    .filter(sequence -> sequence.generated() > 0)
                    .mapToLong(Sequence::work)
                    .sum();
            return workOfFinished + ofRunning;
        }
    }

    /// However many requests an owner has waiting, and however long they are.
    @Seeded
    @RepeatedTest(5)
    void ownersThatAlwaysWaitGetWorkByTheirWeights(RepetitionInfo repetition) {
        var seed = Seeds.seed(repetition);
        random = new Random(seed);
        startWith(1 + random.nextInt(5), 1000);
        var owners = new ArrayList<Owner>();
        for (var count = 2 + random.nextInt(3); owners.size() < count; ) {
            owners.add(new Owner("owner " + owners.size(), 1 + random.nextInt(5)));
        }
        var backlogs = owners.stream().map(_ -> 6 + random.nextInt(20)).toList();
        var lengths = owners.stream().map(_ -> 5 + random.nextInt(60)).toList();
        for (var step = 0; step < 3000; step++) {
            for (var owner : owners) {
                var at = owners.indexOf(owner);
                while (owner.unfinished.size() < backlogs.get(at)) {
                    assertTrue(owner.submit(1 + random.nextInt(60), 1 + random.nextInt(lengths.get(at))));
                }
            }
            scheduler.step();
        }
        double all = owners.stream().mapToLong(Owner::work).sum();
        double weights = owners.stream().mapToInt(owner -> owner.share.weight()).sum();
        for (var owner : owners) {
            var of = "seed " + seed + ": " + owner.share + " " + owner.work() + " of " + all;
            assertEquals(owner.share.weight() / weights, owner.work() / all, 0.05, of);
        }
    }

    @Test
    void oneRequestDoesNotWaitForAFloodOfAnotherOwner() {
        startWith(2, 1000);
        var flood = new Owner("flood", 1);
        var light = new Owner("light", 1);
        for (var i = 0; i < 200; i++) {
            assertTrue(flood.submit(20, 20));
        }
        for (var i = 0; i < 50; i++) {
            scheduler.step();
        }
        assertTrue(light.submit(20, 20));
        var before = flood.finished;
        while (light.finished == 0) {
            scheduler.step();
        }
        assertTrue(flood.finished - before <= 4, flood.finished - before + " requests of the flood went before");
    }

    @Test
    void withinAnOwnerTheFirstComeIsTheFirstServed() {
        startWith(1, 1000);
        var owner = new Owner("owner", 3);
        for (var i = 0; i < 20; i++) {
            assertTrue(owner.submit(1 + i % 7, 1 + i % 5));
        }
        while (!owner.unfinished.isEmpty()) {
            var first = owner.unfinished.getFirst();
            scheduler.step();
            owner.unfinished.stream()
                    .skip(1)
                    .forEach(later -> assertTrue(later.generated() == 0 || !owner.unfinished.contains(first)));
        }
        assertEquals(20, owner.finished);
    }

    /// Slots that nobody else wanted are not paid for later, and a pause earns nothing.
    @Test
    void whoComesAfterAPauseSharesFromThenOn() {
        startWith(1, 1000);
        var early = new Owner("early", 1);
        var late = new Owner("late", 1);
        for (var i = 0; i < 300; i++) {
            assertTrue(early.submit(10, 10));
        }
        while (early.finished < 100) {
            scheduler.step();
        }
        for (var i = 0; i < 100; i++) {
            assertTrue(late.submit(10, 10));
        }
        while (late.finished < 50) {
            scheduler.step();
        }
        assertEquals(50, early.finished - 100, 2);
    }

    /// A third owner that only runs changes nothing: it has had little because it wanted little.
    @Test
    void whoComesLateSharesFromThenOnThoughAnotherOwnerHasHadLittle() {
        startWith(4, 1000);
        var single = new Owner("single", 1);
        var early = new Owner("early", 1);
        var late = new Owner("late", 1);
        assertTrue(single.submit(10, 380));
        scheduler.step();
        for (var i = 0; i < 300; i++) {
            assertTrue(early.submit(10, 10));
        }
        for (var i = 0; i < 200; i++) {
            scheduler.step();
        }
        assertEquals(1, single.unfinished.size());
        var before = early.work();
        for (var i = 0; i < 300; i++) {
            assertTrue(late.submit(10, 10));
        }
        for (var i = 0; i < 150; i++) {
            scheduler.step();
        }
        var all = late.work() + early.work() - before;
        assertEquals(0.5, (double) late.work() / all, 0.1, late.work() + " of " + all);
    }

    /// The owner that ran alone has no claim on what it did not want meanwhile.
    @Test
    void whoSendsMoreAfterItOnlyRanSharesFromThenOn() {
        startWith(4, 1000);
        var single = new Owner("single", 1);
        var early = new Owner("early", 1);
        assertTrue(single.submit(10, 380));
        scheduler.step();
        for (var i = 0; i < 300; i++) {
            assertTrue(early.submit(10, 10));
        }
        for (var i = 0; i < 200; i++) {
            scheduler.step();
        }
        var before = early.work() + single.work();
        var earlyBefore = early.work();
        for (var i = 0; i < 300; i++) {
            assertTrue(single.submit(10, 10));
        }
        for (var i = 0; i < 150; i++) {
            scheduler.step();
        }
        var all = early.work() + single.work() - before;
        assertEquals(0.5, (double) (early.work() - earlyBefore) / all, 0.1, early.work() - earlyBefore + " of " + all);
    }

    /// An owner that never has one waiting while it is served does not lose what it has had.
    @Test
    void endingARequestBeforeTheNextOneGainsNothing() {
        startWith(1, 1000);
        var steady = new Owner("steady", 1);
        var single = new Owner("single", 1);
        for (var i = 0; i < 300; i++) {
            assertTrue(steady.submit(10, 10));
        }
        while (steady.work() + single.work() < 6000) {
            if (single.unfinished.isEmpty()) {
                assertTrue(single.submit(10, 40));
            }
            scheduler.step();
        }
        assertEquals(0.5, (double) single.work() / (single.work() + steady.work()), 0.05);
    }

    @Test
    void ownersWithoutRequestsAreForgotten() {
        startWith(2, 1000);
        for (var i = 0; i < 500; i++) {
            var owner = new Owner("owner " + i, 1 + i % 100);
            assertTrue(owner.submit(1 + i % 9, 1 + i % 3));
            while (!owner.unfinished.isEmpty()) {
                scheduler.step();
            }
        }
        assertEquals(0, waiting.owners());
    }

    @Test
    void aQueueThatOneOwnerFillsHasRoomForTheShareOfAnother() {
        startWith(1, 8);
        var flood = new Owner("flood", 1);
        var light = new Owner("light", 3);
        while (flood.submit(20, 50)) {}
        scheduler.step();
        while (flood.submit(20, 50)) {}
        assertEquals(9, flood.unfinished.size(), "one runs, eight wait");
        assertFalse(waiting.isShareUsedUp(flood.share), "no other owner needs a share");
        for (var i = 0; i < 6; i++) {
            assertTrue(light.submit(20, 50), "three quarters of the queue are its share");
        }
        assertFalse(light.submit(20, 50));
        assertFalse(flood.submit(20, 50));
        assertTrue(waiting.isShareUsedUp(light.share));
        assertTrue(waiting.isShareUsedUp(flood.share));
    }

    /// However small its weight is.
    @Test
    void anOwnersShareOfTheQueueIsAtLeastOnePlace() {
        startWith(4, 16);
        var heavy = new Owner("heavy", 20);
        while (heavy.submit(20, 50)) {}
        scheduler.step();
        while (heavy.submit(20, 50)) {}
        for (var i = 0; i < 30; i++) {
            var light = new Owner("light " + i, 1);
            assertTrue(light.submit(20, 50));
            assertFalse(light.submit(20, 50));
        }
        assertFalse(heavy.submit(20, 50));
    }

    @Test
    void noQueueIsNoQueueForAnyOwner() {
        startWith(1, 0);
        assertTrue(new Owner("first", 1).submit(20, 50));
        scheduler.step();
        var second = new Owner("second", 100);
        assertFalse(second.submit(20, 50));
        assertFalse(waiting.isShareUsedUp(second.share));
    }

    @Test
    void aRequestThatIsClosedWhileItWaitsLeavesItsLine() {
        startWith(1, 1000);
        var busy = new Owner("busy", 1);
        assertTrue(busy.submit(20, 50));
        scheduler.step();
        var owner = new Owner("owner", 1);
        assertTrue(owner.submit(20, 50));
        assertTrue(owner.submit(20, 5));
        owner.unfinished.getFirst().close();
        assertEquals(1, owner.finished);
        assertEquals(1, waiting.size());
        while (!owner.unfinished.isEmpty()) {
            scheduler.step();
        }
        assertEquals(2, owner.finished);
    }
}
