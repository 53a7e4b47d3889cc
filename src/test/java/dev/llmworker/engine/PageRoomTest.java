package dev.llmworker.engine;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.llmworker.generation.GenerationEvent.Token;
import dev.llmworker.generation.Share;
import dev.llmworker.sampling.SamplingParameters;
import dev.llmworker.stats.EngineStats;
import dev.llmworker.text.Detokenizer;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;

/// Who gets the pages of a cache that has too few; over a fake decoder.
class PageRoomTest {
    private static final int PAGE_TOKENS = 16;
    private static final int PAGES = 16;

    private final Random random = new Random(7);
    private final WaitingQueue waiting = new WaitingQueue(100);
    private final FakeDecoder decoder = new FakeDecoder(6, PAGES * PAGE_TOKENS, false);
    private final Scheduler scheduler;
    private int submitted;

    PageRoomTest() {
        // One page belongs to no slot.
        decoder.pageBy(PAGES + 1, PAGE_TOKENS);
        scheduler = new Scheduler(decoder, _ -> false, waiting, () -> 0, new EngineStats(), Runnable::run);
    }

    /// A request with a prompt of its own.
    private record Request(int[] prompt, int tokens, Sequence sequence) {
        boolean hasEnded() {
            return sequence.generated() == tokens;
        }

        String text() {
            var text = new StringBuilder();
            for (var event : sequence) {
                if (event instanceof Token(int _, String piece, var _, var _)) {
                    text.append(piece);
                }
            }
            return text.toString();
        }
    }

    private Request submit(int promptTokens, int tokens) {
        var prompt = random.ints(promptTokens, 3, FakeDecoder.VOCABULARY).toArray();
        var admission = PlainAdmission.of(
                ++submitted,
                prompt,
                tokens,
                true,
                SamplingParameters.greedy(),
                Long.MAX_VALUE / 4,
                "",
                Share.NONE,
                null);
        var sequence = new Sequence(admission, new Detokenizer(new LetterTokenizer()), waiting, () -> 0, (_, _) -> {});
        assertTrue(waiting.offer(sequence));
        return new Request(prompt, tokens, sequence);
    }

    /// Runs all requests to their ends, and checks their texts.
    ///
    /// @return the requests in the order of their first tokens
    private List<Request> run(List<Request> requests) {
        List<Request> begun = new ArrayList<>();
        for (int steps = 0; requests.stream().anyMatch(request -> !request.hasEnded()); steps++) {
            assertTrue(steps < 10_000, "some requests do not end");
            scheduler.step();
            requests.stream()
                    .filter(request -> request.sequence().generated() > 0 && !begun.contains(request))
                    .forEach(begun::add);
        }
        for (var request : requests) {
            var expected = FakeDecoder.expected(request.prompt(), SamplingParameters.greedy(), request.tokens(), true);
            assertEquals(LetterTokenizer.letters(expected, request.tokens()), request.text());
        }
        return begun;
    }

    /// Otherwise small requests could keep a large one from ever having room.
    @Test
    void newerRequestsWaitBehindOneForWhichThereIsNoRoom() {
        var first = submit(8 * PAGE_TOKENS, 3 * PAGE_TOKENS);
        while (first.sequence().generated() == 0) {
            scheduler.step();
        }
        var large = submit(10 * PAGE_TOKENS, 5);
        var small = submit(PAGE_TOKENS, 5);
        assertEquals(List.of(first, large, small), run(List.of(first, large, small)));
    }

    /// The newest one loses its pages, and is computed again when the others have ended.
    @Test
    void theOldestGoesOnWhenPagesRunOut() {
        List<Request> requests = new ArrayList<>();
        for (int i = 0; i < 3; i++) {
            requests.add(submit(4 * PAGE_TOKENS, 6 * PAGE_TOKENS));
        }
        int most = 0;
        while (!requests.getFirst().hasEnded()) {
            int before = requests.getFirst().sequence().generated();
            scheduler.step();
            int after = requests.getFirst().sequence().generated();
            // It runs from its first token on, in each step.
            assertTrue(before == 0 || after > before, "the oldest one waits after " + before + " tokens");
            most = Math.max(most, scheduler.running());
        }
        assertEquals(3, most);
        run(requests);
    }
}
