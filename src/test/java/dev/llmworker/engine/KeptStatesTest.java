package dev.llmworker.engine;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.llmworker.generation.FinishReason;
import dev.llmworker.generation.Generation;
import dev.llmworker.generation.GenerationEvent;
import dev.llmworker.generation.GenerationEvent.Finished;
import dev.llmworker.generation.GenerationEvent.Token;
import dev.llmworker.generation.GenerationRequest;
import dev.llmworker.generation.Prompt;
import dev.llmworker.generation.Readiness;
import dev.llmworker.model.DecoderOptions;
import dev.llmworker.model.Kernels;
import dev.llmworker.model.decoder.DecodeBatch;
import dev.llmworker.model.decoder.GoldenModel;
import dev.llmworker.model.decoder.MachineNeeds;
import dev.llmworker.model.decoder.PromptSizes;
import dev.llmworker.model.decoder.TorchDecoder;
import dev.llmworker.model.device.Precision;
import dev.llmworker.sampling.LogitAdjustment;
import dev.llmworker.sampling.SamplingParameters;
import dev.llmworker.stats.EngineStats;
import dev.llmworker.testing.Await;
import dev.llmworker.testing.Concurrent;
import dev.llmworker.text.chat.PromptEncoder;
import dev.llmworker.weights.Gguf;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.Objects;
import java.util.OptionalInt;
import java.util.Random;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// The engine with models whose layers do not keep all positions. Whatever runs beside a request, however its prompt is
/// cut, and wherever it goes on from, its text is the one that the decoder gives alone.
@Timeout(300)
@Concurrent
class KeptStatesTest {
    /// Rings of 256 positions are three times shorter.
    private static final int CONTEXT = 1000;

    private static final int SLOTS = 4;
    private static final int ANSWER = 12;
    private static final String TURN_END = ".";
    private static final SamplingParameters GREEDY = SamplingParameters.greedy();
    private static final PrintableLetters LETTERS = new PrintableLetters();

    @TempDir
    private Path directory;

    @ParameterizedTest
    @CsvSource({
        "Qwen 3.5, NATIVE, false",
        "Qwen 3.5, TORCH, false",
        "Qwen 3.5, TORCH, true",
        "Gemma 3, NATIVE, false",
        "Gemma 3, TORCH, false",
        "'Gemma 4, shared keys and a second embedding', NATIVE, false",
        "'Gemma 4, shared keys and a second embedding', TORCH, false"
    })
    void theTextIsTheOneThatTheDecoderGivesAlone(String name, Kernels kernels, boolean deterministic) throws Exception {
        if (kernels == Kernels.NATIVE) {
            MachineNeeds.nativeLibrary();
        }
        var file = GoldenModel.named(name).withContext(2 * CONTEXT).file().write(directory.resolve("tiny.gguf"));
        try (var served = new Served(file, kernels, deterministic)) {
            served.requestsRunTogetherWithPromptsInPieces();
            served.turnsGoOnFromWhatWasKept();
            served.evictedPrefixesComeBack();
            served.cancelledRequestsLeaveSoundStates();
            served.choicesShareTheirPromptAndNothingElse();
        }
    }

    private record Asked(String prompt, SamplingParameters sampling) {
        GenerationRequest request() {
            return request(ANSWER);
        }

        GenerationRequest request(int tokens) {
            return new GenerationRequest(new Prompt.Raw(prompt), OptionalInt.of(tokens), sampling, true);
        }
    }

    /// An engine, and the decoder that runs nothing else and reuses nothing.
    private static final class Served implements AutoCloseable {
        private final Random random = new Random(7);
        private final Kernels kernels;
        private final boolean deterministic;
        private final InProcessGenerator engine;
        private final TorchDecoder alone;

        Served(Path file, Kernels kernels, boolean deterministic) throws Exception {
            this.kernels = kernels;
            this.deterministic = deterministic;
            alone = decoder(file, 1);
            engine = InProcessGenerator.start(
                    () -> new LanguageModel(decoder(file, SLOTS), LETTERS, new PromptEncoder(LETTERS, null)),
                    new InProcessGenerator.Limits(null, Duration.ofMinutes(5)),
                    System::nanoTime,
                    new EngineStats(),
                    _ -> {});
            Await.until("it is ready", () -> engine.readiness() instanceof Readiness.Ready);
        }

        private TorchDecoder decoder(Path file, int slots) throws IOException, InterruptedException {
            var weights = kernels == Kernels.NATIVE ? Precision.AUTO : Precision.FP32;
            var options = new DecoderOptions(weights, Precision.FP32, slots, CONTEXT, 1, "cpu", deterministic, kernels);
            try (var model = Gguf.open(file)) {
                return TorchDecoder.load(model, options, _ -> {});
            }
        }

        @Override
        public void close() {
            engine.close();
            alone.close();
        }

        /// A turn of random letters.
        private String turn(int letters) {
            return text(letters - 1) + TURN_END;
        }

        /// Random letters that end no turn.
        private String text(int letters) {
            return random.ints(letters, 'A', 'z' + 1)
                    .mapToObj(Character::toString)
                    .collect(Collectors.joining());
        }

        private SamplingParameters sampled() {
            return new SamplingParameters(1, 0, 1, 0, random.nextLong());
        }

        private String alone(Asked asked) {
            return alone(asked, ANSWER);
        }

        /// The first `tokens` letters, by a decoder that runs nothing else and reuses nothing.
        private String alone(Asked asked, int tokens) {
            var ids = LETTERS.encodeText(asked.prompt);
            var text = new StringBuilder();
            var token = alone.prefillLast(0, ids, 0, asked.sampling);
            var batch = new DecodeBatch(1);
            while (true) {
                text.append((char) (' ' + token));
                if (text.length() == tokens) {
                    return text.toString();
                }
                batch.clear();
                batch.add(token, ids.length + text.length() - 1, asked.sampling);
                token = alone.decode(batch, 1)[0];
            }
        }

        private static String read(Iterator<GenerationEvent> events) {
            var text = new StringBuilder();
            while (events.hasNext()) {
                switch (events.next()) {
                    case Token token -> text.append(token.text());
                    case Finished finished -> assertEquals(FinishReason.LENGTH, finished.reason());
                }
            }
            return text.toString();
        }

        /// Asks, checks the text, and returns how many tokens of the prompt were in the cache.
        private int cached(String prompt) {
            var asked = new Asked(prompt, sampled());
            try (var generation = engine.submit(asked.request())) {
                assertEquals(alone(asked), read(generation.iterator()));
                return cached(generation);
            }
        }

        private static int cached(Generation generation) {
            return Objects.requireNonNull(generation.timings()).cachedTokens();
        }

        /// The dense program only goes on from multiples of 128.
        private int reusable(int tokens) {
            return kernels == Kernels.NATIVE
                    ? tokens
                    : tokens / PromptSizes.OF_CPU.alone() * PromptSizes.OF_CPU.alone();
        }

        private static void assertAtLeast(int expected, int found) {
            assertTrue(found >= expected, found + " cached tokens; expected " + expected);
        }

        void requestsRunTogetherWithPromptsInPieces() {
            var scored = new SamplingParameters(1, 0, 1, 0, 5, LogitAdjustment.NONE, OptionalInt.of(0));
            var all = List.of(
                    new Asked(text(3), GREEDY),
                    new Asked(text(560), GREEDY),
                    new Asked(turn(40) + text(9), sampled()),
                    new Asked(turn(131) + turn(202) + text(1), sampled()),
                    new Asked(text(300), scored),
                    new Asked(turn(128) + turn(128), sampled()));
            var generations = new ArrayList<Generation>();
            all.forEach(asked -> generations.add(engine.submit(asked.request())));
            for (var i = 0; i < all.size(); i++) {
                try (var generation = generations.get(i)) {
                    assertEquals(alone(all.get(i)), read(generation.iterator()), "request " + i);
                }
            }
        }

        void turnsGoOnFromWhatWasKept() {
            var system = turn(150);
            var first = system + turn(160) + "A:";
            assertEquals(0, cached(first));
            // The answer is left out, as reasoning is: what was kept is the end of the last turn.
            assertAtLeast(reusable(310), cached(first.substring(0, 310) + "B" + turn(30) + "A:"));
            // Another client has the same first turn.
            assertAtLeast(reusable(150), cached(system + turn(70) + "A:"));
            var asked = new Asked(system + turn(210) + "A:", GREEDY);
            try (var generation = engine.submit(asked.request())) {
                var answer = read(generation.iterator());
                assertEquals(alone(asked), answer);
                assertAtLeast(reusable(150), cached(generation));
                // The newest token is not in the cache. Of the dense program, what steps wrote is not exact.
                var whole = asked.prompt.length() + ANSWER - 1;
                var expected = kernels == Kernels.NATIVE ? whole : reusable(asked.prompt.length());
                assertAtLeast(expected, cached(asked.prompt + answer + TURN_END + turn(20) + "A:"));
            }
        }

        void evictedPrefixesComeBack() {
            var prompt = turn(160) + turn(170) + "A:";
            cached(prompt);
            for (var i = 0; i < 2 * SLOTS; i++) {
                cached(turn(20) + "A:");
            }
            assertAtLeast(reusable(330), cached(prompt.substring(0, 330) + "B" + turn(30) + "A:"));
        }

        void cancelledRequestsLeaveSoundStates() {
            var other = new Asked(turn(90) + text(30), sampled());
            var asked = new Asked(turn(100) + text(200), sampled());
            try (var beside = engine.submit(other.request(3 * ANSWER))) {
                var left = engine.submit(asked.request(600));
                var events = left.iterator();
                for (var i = 0; i < 5; i++) {
                    events.next();
                }
                left.close();
                // Most of these end while their prompts are in pieces.
                for (var i = 0; i < 4; i++) {
                    engine.submit(new Asked(asked.prompt + text(400), GREEDY).request())
                            .close();
                }
                assertEquals(alone(other, 3 * ANSWER), read(beside.iterator()));
            }
            cached(asked.prompt);
            cached(asked.prompt + alone(asked) + text(7));
            cached(other.prompt);
        }

        /// The others come when the first one answers, as choices of a client's request do.
        void choicesShareTheirPromptAndNothingElse() {
            for (var prompt : List.of(text(300), turn(200) + turn(100), turn(140) + turn(150) + text(10))) {
                var asked = new Asked(prompt, sampled());
                try (var first = engine.submit(asked.request())) {
                    var events = first.iterator();
                    var begun = ((Token) events.next()).text();
                    var choices = new ArrayList<Asked>();
                    var generations = new ArrayList<Generation>();
                    for (var i = 1; i < SLOTS; i++) {
                        choices.add(new Asked(prompt, sampled()));
                        generations.add(
                                engine.submitChoice(first, choices.getLast().request()));
                    }
                    assertEquals(alone(asked), begun + read(events));
                    for (var i = 0; i < choices.size(); i++) {
                        try (var generation = generations.get(i)) {
                            assertEquals(alone(choices.get(i)), read(generation.iterator()));
                            assertAtLeast(reusable(kernels == Kernels.NATIVE ? 290 : 299), cached(generation));
                        }
                    }
                }
            }
        }
    }
}
