package dev.llmworker.generation;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.llmworker.generation.GenerationEvent.Finished;
import dev.llmworker.generation.GenerationEvent.Token;
import dev.llmworker.sampling.SamplingParameters;
import dev.llmworker.text.Detokenizer;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Random;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.RepeatedTest;
import org.junit.jupiter.api.RepetitionInfo;

/// Thousands of random arrivals, cancels and time-outs through the real scheduler over a fake decoder and an injected
/// clock.
class SchedulerSimulationTest {
    private static final int CONTEXT = 400;
    private static final int REQUESTS = 400;

    private long nowNanos;
    private final List<Arrival> arrivals = new ArrayList<>();
    private final List<Arrival> firstTokens = new ArrayList<>();

    /// One request and what became of it.
    private static final class Arrival {
        final Sequence.Admission admission;
        final Sequence sequence;
        final boolean refused;
        int finishedTimes;

        @Nullable
        FinishReason reason;

        int generatedAtClose = -1;

        Arrival(Sequence.Admission admission, WaitingQueue waiting, LongSupplier clock) {
            this.admission = admission;
            this.sequence =
                    new Sequence(admission, new Detokenizer(new LetterTokenizer()), waiting, clock, this::finished);
            this.refused = !waiting.offer(sequence);
        }

        private void finished(Sequence sequence, FinishReason why) {
            finishedTimes++;
            reason = why;
        }
    }

    @RepeatedTest(25)
    void everyRequestGetsItsOwnTextAndEndsOnce(RepetitionInfo repetition) {
        long seed = repetition.getCurrentRepetition();
        var random = new Random(seed);
        var decoder = new FakeDecoder(1 + random.nextInt(6), CONTEXT);
        var waiting = new WaitingQueue(1 + random.nextInt(20));
        var scheduler = new Scheduler(decoder, id -> id == FakeDecoder.END, waiting, () -> nowNanos);
        int idleSteps = 0;
        while (arrivals.size() < REQUESTS || idleSteps < 2) {
            int burst = random.nextInt(8) == 0 ? random.nextInt(12) : random.nextInt(2);
            for (int i = 0; i < burst && arrivals.size() < REQUESTS; i++) {
                arrive(random, waiting);
            }
            if (random.nextInt(4) == 0) {
                closeOne(random);
            }
            nowNanos += random.nextInt(20);
            idleSteps = scheduler.step() ? 0 : idleSteps + 1;
            noteFirstTokens();
        }
        assertEquals(0, scheduler.running(), "slots leaked with seed " + seed);
        arrivals.forEach(arrival -> check(arrival, "seed " + seed + " request " + arrival.admission.id()));
        assertTrue(
                firstTokens.stream()
                        .mapToLong(a -> a.admission.id())
                        .boxed()
                        .toList()
                        .equals(sortedFirstTokenIds()),
                "first come, first served does not hold with seed " + seed);
    }

    private List<Long> sortedFirstTokenIds() {
        return firstTokens.stream().map(a -> a.admission.id()).sorted().toList();
    }

    private void arrive(Random random, WaitingQueue waiting) {
        var prompt = random.ints(1 + random.nextInt(random.nextInt(5) == 0 ? 300 : 20), 3, FakeDecoder.VOCABULARY)
                .toArray();
        var admission = new Sequence.Admission(
                arrivals.size(),
                prompt,
                1 + random.nextInt(Math.min(60, CONTEXT - prompt.length)),
                random.nextInt(4) == 0,
                new SamplingParameters(1, 0, 1, 0, random.nextLong()),
                random.nextInt(6) == 0 ? random.nextInt(600) : Long.MAX_VALUE / 4);
        arrivals.add(new Arrival(admission, waiting, () -> nowNanos));
    }

    private void closeOne(Random random) {
        if (arrivals.isEmpty()) {
            return;
        }
        var arrival = arrivals.get(arrivals.size() - 1 - random.nextInt(Math.min(30, arrivals.size())));
        if (!arrival.refused && arrival.generatedAtClose < 0) {
            arrival.generatedAtClose = arrival.sequence.generated();
            arrival.sequence.close();
        }
    }

    private void noteFirstTokens() {
        for (var arrival : arrivals) {
            if (arrival.sequence.generated() > 0 && !firstTokens.contains(arrival)) {
                firstTokens.add(arrival);
            }
        }
    }

    private static void check(Arrival arrival, String where) {
        if (arrival.refused) {
            assertEquals(0, arrival.finishedTimes, where);
            return;
        }
        assertEquals(1, arrival.finishedTimes, where);
        var admission = arrival.admission;
        var expected = FakeDecoder.expected(
                admission.prompt(), admission.sampling(), admission.tokenLimit(), admission.ignoreEos());
        var text = new StringBuilder();
        int tokens = 0;
        @Nullable Finished end = null;
        for (var event : arrival.sequence) {
            switch (event) {
                case Token token -> {
                    assertEquals(tokens++, token.index(), where);
                    text.append(token.text());
                }
                case Finished finished -> end = finished;
            }
        }
        Objects.requireNonNull(end, where);
        assertEquals(arrival.reason, end.reason(), where);
        assertEquals(tokens, end.completionTokens(), where);
        assertArrayEquals(
                LetterTokenizer.letters(expected, tokens).toCharArray(),
                text.toString().toCharArray(),
                where);
        switch (end.reason()) {
            case STOP -> {
                assertFalse(admission.ignoreEos(), where);
                assertEquals(expected.length, tokens, where);
            }
            case LENGTH -> assertEquals(admission.tokenLimit(), tokens, where);
            case CANCELLED -> assertEquals(arrival.generatedAtClose, tokens, where + " went on after it was closed");
            case TIMEOUT -> assertTrue(tokens <= expected.length, where);
            case ERROR -> throw new AssertionError(where + " ended by an error");
        }
    }
}
