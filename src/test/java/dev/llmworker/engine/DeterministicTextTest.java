package dev.llmworker.engine;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.llmworker.generation.GenerationEvent.Token;
import dev.llmworker.hub.StarterModelFile;
import dev.llmworker.model.DecoderOptions;
import dev.llmworker.model.decoder.Decoder;
import dev.llmworker.model.decoder.TorchDecoder;
import dev.llmworker.model.device.Precision;
import dev.llmworker.sampling.SamplingParameters;
import dev.llmworker.stats.EngineStats;
import dev.llmworker.testing.Concurrent;
import dev.llmworker.text.Detokenizer;
import dev.llmworker.weights.Gguf;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;

/// The starter model in deterministic mode: what a request gets alone it gets among others, to the token.
@Concurrent
class DeterministicTextTest {
    private static final long SEED = 73;
    private static final int TOKENS = 8;

    private final Random random = new Random(SEED);

    private int reused;

    private record Request(int[] prompt, SamplingParameters sampling) {}

    @Test
    void aRequestGetsTheTextItGetsAlone() throws Exception {
        System.out.println("seed " + SEED);
        var options = new DecoderOptions(Precision.AUTO, Precision.AUTO, 4, 320, 0, "cpu", true);
        try (var model = Gguf.open(StarterModelFile.path());
                var decoder = TorchDecoder.load(model, options, _ -> {})) {
            var requests = requests(decoder.description().vocabularySize());
            List<String> alone = new ArrayList<>();
            for (var request : requests) {
                alone.addAll(serve(decoder, List.of(request), 0));
            }
            reused = 0;
            assertEquals(alone, serve(decoder, requests, 2), "together, with prefixes reused");
            assertTrue(reused > 0, "nothing was reused");
            assertEquals(alone, serve(decoder, requests, 0), "all at once");
        }
    }

    /// Some begin alike, for more and for less than a chunk of the grid; greedy and sampled.
    private List<Request> requests(int vocabulary) {
        var common = random.ints(180, 0, vocabulary).toArray();
        List<Request> requests = new ArrayList<>();
        for (int length : new int[] {180, 20, 160, 131, 60}) {
            var prompt = Arrays.copyOf(common, length);
            int changed = Math.min(length / 3 + 1, 3 + random.nextInt(28));
            for (int i = length - changed; i < length; i++) {
                prompt[i] = random.nextInt(vocabulary);
            }
            boolean greedy = requests.size() % 3 == 0;
            var sampled = new SamplingParameters(1, 0, 0.95f, 0, requests.size());
            requests.add(new Request(prompt, greedy ? SamplingParameters.greedy() : sampled));
        }
        return requests;
    }

    /// The texts, in the order of the requests, one of which arrives every `pause` steps.
    private List<String> serve(Decoder decoder, List<Request> requests, int pause) {
        var waiting = new WaitingQueue(requests.size());
        var scheduler = new Scheduler(decoder, _ -> false, waiting, System::nanoTime, new EngineStats(), Runnable::run);
        List<Sequence> sequences = new ArrayList<>();
        for (var request : requests) {
            var admission = PlainAdmission.of(
                    sequences.size(), request.prompt, TOKENS, true, request.sampling, Long.MAX_VALUE / 4, "");
            var sequence = new Sequence(
                    admission, new Detokenizer(new LetterTokenizer()), waiting, System::nanoTime, (_, _) -> {});
            assertTrue(waiting.offer(sequence));
            sequences.add(sequence);
            for (int i = 0; i < pause; i++) {
                scheduler.step();
            }
        }
        while (scheduler.step()) {}
        List<String> texts = new ArrayList<>();
        for (var sequence : sequences) {
            var text = new StringBuilder();
            for (var event : sequence) {
                if (event instanceof Token(int _, String piece, var _, var _)) {
                    text.append(piece);
                }
            }
            texts.add(text.toString());
            reused += sequence.reused();
        }
        return texts;
    }
}
