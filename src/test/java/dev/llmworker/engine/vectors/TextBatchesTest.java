package dev.llmworker.engine.vectors;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.llmworker.generation.FinishReason;
import dev.llmworker.generation.GenerationEvent;
import dev.llmworker.generation.Share;
import dev.llmworker.generation.Task;
import dev.llmworker.generation.VectorEvent;
import dev.llmworker.stats.EngineStats;
import dev.llmworker.testing.Seeded;
import dev.llmworker.testing.Seeds;
import dev.llmworker.testing.VectorModel;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Objects;
import java.util.Random;
import java.util.concurrent.atomic.AtomicLong;
import java.util.stream.IntStream;
import java.util.stream.LongStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/// Which texts run in which step.
@Timeout(120)
class TextBatchesTest {
    private static final long TIMEOUT_NANOS = 1000;

    private final AtomicLong now = new AtomicLong();
    private final List<TextRequest> ended = new ArrayList<>();

    private TextBatches batches(VectorModel model, int limit) {
        return new TextBatches(model, VectorModel.SLOTS, limit, now::get, new EngineStats());
    }

    private TextRequest request(int... lengths) {
        var texts = new ArrayList<int[]>();
        for (var length : lengths) {
            texts.add(text(new Random(length), length));
        }
        return request(texts);
    }

    private TextRequest request(List<int[]> texts) {
        return request(texts, Share.NONE);
    }

    private TextRequest request(List<int[]> texts, Share share) {
        return new TextRequest(texts, share, TIMEOUT_NANOS, now::get, ended::add);
    }

    private static int[] text(Random random, int length) {
        return random.ints(length, 'a', 'h').toArray();
    }

    /// The events of a request that has ended.
    private static GenerationEvent.Finished read(TextRequest request, VectorModel model, List<int[]> texts) {
        assertTrue(request.hasEnded());
        var left = new ArrayList<>(texts);
        for (var event : request) {
            switch (event) {
                case VectorEvent.Vector(var index, var values) -> {
                    var text = texts.get(index);
                    assertTrue(left.remove(text));
                    var expected = model.expected(text);
                    for (var i = 0; i < expected.length; i++) {
                        assertEquals(model.isMean() ? expected[i] / text.length : expected[i], values[i], 1e-6f);
                    }
                }
                case GenerationEvent.Finished finished -> {
                    assertTrue(finished.reason() != FinishReason.STOP || left.isEmpty());
                    return finished;
                }
            }
        }
        throw new AssertionError("no end");
    }

    @Seeded
    @Test
    void eachTextGetsItsOwnVectorWhateverRunsBesideIt() {
        var random = Seeds.random();
        for (var round = 0; round < Seeds.rounds(30); round++) {
            runAtRandom(random);
        }
    }

    private void runAtRandom(Random random) {
        ended.clear();
        var whole = random.nextBoolean();
        var model = new VectorModel(Task.EMBED, whole, random.nextInt(4) == 0, Integer.MAX_VALUE);
        var batches = batches(model, 1000);
        var texts = new ArrayList<List<int[]>>();
        var requests = new ArrayList<TextRequest>();
        for (var i = 0; i < 20; i++) {
            var own = new ArrayList<int[]>();
            for (var j = random.nextInt(6); j >= 0; j--) {
                own.add(text(random, 1 + random.nextInt(random.nextInt(5) == 0 ? VectorModel.CONTEXT : 40)));
            }
            texts.add(own);
            requests.add(request(own));
        }
        var offered = 0;
        var more = true;
        while (offered < requests.size() || more) {
            while (offered < requests.size() && random.nextBoolean()) {
                assertTrue(batches.offer(requests.get(offered++)));
            }
            more = batches.step();
        }
        for (var i = 0; i < requests.size(); i++) {
            var finished = read(requests.get(i), model, texts.get(i));
            assertEquals(FinishReason.STOP, finished.reason());
            assertEquals(texts.get(i).stream().mapToInt(text -> text.length).sum(), finished.promptTokens());
        }
        assertEquals(requests.size(), ended.size());
    }

    @Test
    void shortTextsShareAStep() {
        var model = VectorModel.of(Task.EMBED);
        var batches = batches(model, 10);
        var request = request(5, 6, 7);
        assertTrue(batches.offer(request));
        assertFalse(batches.step());
        assertEquals(List.of(18), model.steps);
        assertTrue(request.hasEnded());
    }

    @Test
    void aTextThatIsLongerThanAStepRunsInSeveralBesideOthers() {
        var model = VectorModel.of(Task.EMBED);
        var batches = batches(model, 10);
        assertTrue(batches.offer(request(150, 10)));
        while (batches.step()) {}
        assertEquals(List.of(64, 64, 32), model.steps);
    }

    @Test
    void aTextThatMustBeWholeWaitsForAStepWithRoom() {
        var model = new VectorModel(Task.EMBED, true, false, Integer.MAX_VALUE);
        var batches = batches(model, 10);
        assertTrue(batches.offer(request(300, 300, 100)));
        while (batches.step()) {}
        assertEquals(List.of(300, 400), model.steps);
    }

    @Test
    void aRequestOfOneTextDoesNotWaitForOneOfAThousand() {
        var model = VectorModel.of(Task.EMBED);
        var batches = batches(model, 10);
        var many = request(Collections.nCopies(1000, text(new Random(1), 30)));
        var one = request(30);
        assertTrue(batches.offer(many));
        assertTrue(batches.step());
        assertTrue(batches.offer(one));
        assertTrue(batches.step());
        assertTrue(batches.step());
        assertTrue(one.hasEnded());
        assertFalse(many.hasEnded());
    }

    /// However many requests an owner has, however many texts each of them has, and however long these are.
    @Seeded
    @Test
    void ownersThatAlwaysWaitGetTokensByTheirWeights() {
        var random = Seeds.random();
        for (var round = 0; round < Seeds.rounds(10); round++) {
            var model = new VectorModel(Task.EMBED, random.nextBoolean(), false, Integer.MAX_VALUE);
            var batches = batches(model, 1000);
            var shares = new ArrayList<Share>();
            for (var count = 2 + random.nextInt(3); shares.size() < count; ) {
                shares.add(new Share("owner " + shares.size(), 1 + random.nextInt(5)));
            }
            var requests = new HashMap<Share, List<TextRequest>>();
            for (var share : shares) {
                requests.put(share, new ArrayList<>());
                var lengths = 1 + random.nextInt(50);
                var texts = 300 + random.nextInt(100);
                for (var i = random.nextInt(3); i >= 0; i--) {
                    var own = IntStream.range(0, texts)
                            .mapToObj(_ -> text(random, 25 + random.nextInt(lengths)))
                            .toList();
                    requests.get(share).add(request(own, share));
                    assertTrue(batches.offer(requests.get(share).getLast()));
                }
            }
            while (model.steps.stream().mapToInt(tokens -> tokens).sum() < 5000) {
                assertTrue(batches.step());
            }
            double weights = shares.stream().mapToInt(Share::weight).sum();
            var begun = shares.stream()
                    .mapToLong(share -> begunTokens(Objects.requireNonNull(requests.get(share))))
                    .toArray();
            for (var i = 0; i < begun.length; i++) {
                var part = (double) begun[i] / LongStream.of(begun).sum();
                assertEquals(shares.get(i).weight() / weights, part, 0.05, shares.get(i) + " of " + shares);
            }
        }
    }

    private static long begunTokens(List<TextRequest> requests) {
        return requests.stream()
                .flatMap(request -> IntStream.range(0, request.begun()).mapToObj(request::text))
                .mapToLong(text -> text.length)
                .sum();
    }

    @Test
    void aFullQueueStillTakesRequestsOfAnOwnerBelowItsShare() {
        var batches = batches(VectorModel.of(Task.EMBED), 2);
        var flood = new Share("flood", 1);
        var light = new Share("light", 1);
        var texts = List.of(text(new Random(1), 200));
        for (var i = 0; i < VectorModel.SLOTS + 2; i++) {
            assertFalse(batches.isShareUsedUp(flood));
            assertTrue(batches.offer(request(texts, flood)));
        }
        // Nobody else has requests, so it is the queue that is full.
        assertFalse(batches.offer(request(texts, flood)));
        assertFalse(batches.isShareUsedUp(flood));
        assertTrue(batches.hasRoom(light));
        assertTrue(batches.offer(request(texts, light)));
        assertFalse(batches.offer(request(texts, light)));
        assertFalse(batches.hasRoom(flood));
        assertTrue(batches.isShareUsedUp(flood));
        while (batches.step()) {}
        assertEquals(VectorModel.SLOTS + 3, ended.size());
        assertFalse(batches.isShareUsedUp(flood));
        batches.endAll(FinishReason.ERROR);
    }

    @Test
    void aClosedRequestLeavesBeforeTheNextStep() {
        var model = VectorModel.of(Task.EMBED);
        var batches = batches(model, 10);
        var left = request(500, 20);
        var other = request(30);
        assertTrue(batches.offer(left));
        assertTrue(batches.step());
        left.close();
        assertTrue(batches.offer(other));
        assertFalse(batches.step());
        assertEquals(List.of(64, 30), model.steps);
        // Its short text had its vector by then.
        assertEquals(FinishReason.CANCELLED, reason(left));
        assertTrue(other.hasEnded());
        assertEquals(List.of(left, other), ended);
    }

    @Test
    void aRequestEndsAtItsDeadline() {
        var model = VectorModel.of(Task.EMBED);
        var batches = batches(model, 10);
        var slow = request(500);
        var waiting = request(500, 500, 500);
        assertTrue(batches.offer(slow));
        assertTrue(batches.offer(waiting));
        assertTrue(batches.step());
        now.addAndGet(TIMEOUT_NANOS);
        assertFalse(batches.step());
        for (var request : List.of(slow, waiting)) {
            assertEquals(
                    FinishReason.TIMEOUT,
                    ((GenerationEvent.Finished) request.iterator().next()).reason());
        }
    }

    @Test
    void requestsBeyondTheLimitAreRefused() {
        var batches = batches(VectorModel.of(Task.EMBED), 2);
        var accepted = new ArrayList<TextRequest>();
        // Three begin at once, one in each slot.
        for (var i = 0; i < VectorModel.SLOTS + 2; i++) {
            accepted.add(request(200));
            assertTrue(batches.offer(accepted.getLast()));
        }
        assertFalse(batches.offer(request(1)));
        assertEquals(5, batches.waiting());
        while (batches.step()) {}
        assertTrue(accepted.stream().allMatch(TextRequest::hasEnded));
        assertTrue(batches.offer(request(1)));
        batches.endAll(FinishReason.ERROR);
        assertFalse(batches.offer(request(1)));
    }

    /// Otherwise any number of requests with many texts could be there, each of which has begun.
    @Test
    void requestsThatHaveBegunCountUntilTheyEnd() {
        var batches = batches(VectorModel.of(Task.EMBED), 2);
        var lengths = new int[20];
        Arrays.fill(lengths, 30);
        for (var i = 0; i < VectorModel.SLOTS + 2; i++) {
            assertTrue(batches.offer(request(lengths)));
        }
        for (var i = 0; i < 5; i++) {
            assertTrue(batches.step());
        }
        assertEquals(0, batches.waiting());
        assertTrue(ended.isEmpty());
        assertFalse(batches.offer(request(1)));
        while (ended.isEmpty()) {
            assertTrue(batches.step());
        }
        assertTrue(batches.offer(request(1)));
        while (batches.step()) {}
        assertEquals(VectorModel.SLOTS + 3, ended.size());
    }

    private static FinishReason reason(TextRequest request) {
        for (var event : request) {
            if (event instanceof GenerationEvent.Finished finished) {
                return finished.reason();
            }
        }
        throw new AssertionError("no end");
    }

    @Test
    void ifMemoryRunsOutTheNewestRequestEndsAndTheOthersRunAgain() {
        var model = VectorModel.of(Task.EMBED);
        model.mostParts = 2;
        var batches = batches(model, 10);
        var texts = List.of(List.of(text(new Random(1), 20)), List.of(text(new Random(2), 30)));
        var first = request(texts.get(0));
        var second = request(texts.get(1));
        var newest = request(4);
        List.of(first, second, newest).forEach(request -> assertTrue(batches.offer(request)));
        while (batches.step()) {}
        assertEquals(1, model.recovered);
        assertEquals(FinishReason.STOP, read(first, model, texts.get(0)).reason());
        assertEquals(FinishReason.STOP, read(second, model, texts.get(1)).reason());
        assertEquals(FinishReason.ERROR, reason(newest));
        assertEquals(3, ended.size());
    }

    @Test
    void ifMemoryRunsOutAfterAStepTheNewestRequestEndsAndTheOthersGetTheirVectors() {
        var model = new VectorModel(Task.EMBED, true, false, Integer.MAX_VALUE);
        model.mostProjected = 2;
        var batches = batches(model, 10);
        var texts = List.of(List.of(text(new Random(1), 20)), List.of(text(new Random(2), 30)));
        var first = request(texts.get(0));
        var second = request(texts.get(1));
        var newest = request(4, 5);
        List.of(first, second, newest).forEach(request -> assertTrue(batches.offer(request)));
        while (batches.step()) {}
        assertEquals(List.of(54), model.steps);
        assertEquals(1, model.recovered);
        assertEquals(FinishReason.STOP, read(first, model, texts.get(0)).reason());
        assertEquals(FinishReason.STOP, read(second, model, texts.get(1)).reason());
        assertEquals(FinishReason.ERROR, reason(newest));
        var later = request(6);
        assertTrue(batches.offer(later));
        assertFalse(batches.step());
        assertEquals(FinishReason.STOP, reason(later));
    }

    @Test
    void allRequestsOfAStepThatCannotRunAgainEndIfMemoryRunsOut() {
        var model = VectorModel.of(Task.EMBED);
        model.mostParts = 1;
        model.repeats = false;
        var batches = batches(model, 10);
        var requests = List.of(request(4), request(5));
        requests.forEach(request -> assertTrue(batches.offer(request)));
        while (batches.step()) {}
        requests.forEach(request -> assertEquals(FinishReason.ERROR, reason(request)));
        var later = request(6);
        assertTrue(batches.offer(later));
        assertFalse(batches.step());
        assertEquals(FinishReason.STOP, reason(later));
    }

    @Test
    void aVectorThatIsNotFiniteEndsItsRequestAndNoLaterOneGetsItsSlotUncleared() {
        for (var task : List.of(Task.EMBED, Task.RERANK)) {
            var model = VectorModel.of(task);
            var batches = batches(model, 10);
            var poisoned = request(List.of(new int[] {'a', VectorModel.POISON}, new int[] {'b'}));
            var beside = request(5);
            assertTrue(batches.offer(poisoned));
            assertTrue(batches.offer(beside));
            while (batches.step()) {}
            assertEquals(FinishReason.ERROR, reason(poisoned));
            assertEquals(FinishReason.STOP, reason(beside));
            var later = request(3, 4, 5);
            assertTrue(batches.offer(later));
            while (batches.step()) {}
            assertEquals(FinishReason.STOP, reason(later));
        }
    }

    @Test
    void theSlotOfATextThatLeavesEarlyIsCleared() {
        var model = VectorModel.of(Task.EMBED);
        var batches = batches(model, 10);
        var ids = text(new Random(3), 150);
        ids[0] = VectorModel.POISON;
        var left = request(List.of(ids));
        assertTrue(batches.offer(left));
        assertTrue(batches.step());
        left.close();
        var later = request(3);
        assertTrue(batches.offer(later));
        assertFalse(batches.step());
        assertEquals(FinishReason.STOP, reason(later));
    }

    @Test
    void theTimingsAreThoseOfTheEngine() {
        var batches = batches(VectorModel.of(Task.EMBED), 2);
        var request = request(100);
        assertTrue(batches.offer(request));
        now.set(10);
        assertTrue(batches.step());
        now.set(30);
        assertFalse(batches.step());
        var timings = request.timings();
        assertArrayEquals(
                new long[] {10, 30, 30},
                new long[] {timings.queuedNanos(), timings.firstTokenNanos(), timings.totalNanos()});
    }

    @Test
    void aShortTextDoesNotWaitForLongOnes() {
        var model = VectorModel.of(Task.EMBED);
        var batches = batches(model, 10);
        var slow = request(400, 400, 400, 400);
        var others = request(400, 20);
        assertTrue(batches.offer(slow));
        assertTrue(batches.offer(others));
        assertTrue(batches.step());
        var quick = request(10);
        assertTrue(batches.offer(quick));
        assertTrue(batches.step());
        assertTrue(quick.hasEnded());
        while (batches.step()) {}
        assertEquals(FinishReason.STOP, reason(slow));
        assertEquals(FinishReason.STOP, reason(others));
        // Few steps have fewer tokens than they could.
        var most = 5 * Math.ceilDiv(400, VectorModel.STEP_TOKENS);
        assertTrue(model.steps.size() <= most, model.steps.size() + " steps");
    }
}
