package dev.llmworker.engine;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.llmworker.engine.stored.PrefixFolder;
import dev.llmworker.generation.GenerationEvent;
import dev.llmworker.generation.GenerationEvent.Token;
import dev.llmworker.generation.GenerationRequest;
import dev.llmworker.generation.Prompt;
import dev.llmworker.generation.Readiness;
import dev.llmworker.generation.Task;
import dev.llmworker.model.DecoderOptions;
import dev.llmworker.model.Kernels;
import dev.llmworker.model.decoder.GoldenModel;
import dev.llmworker.model.decoder.MachineNeeds;
import dev.llmworker.model.decoder.TorchDecoder;
import dev.llmworker.model.device.Precision;
import dev.llmworker.sampling.SamplingParameters;
import dev.llmworker.stats.EngineStats;
import dev.llmworker.testing.Await;
import dev.llmworker.testing.Concurrent;
import dev.llmworker.text.chat.PromptEncoder;
import dev.llmworker.weights.Gguf;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Objects;
import java.util.OptionalInt;
import java.util.Random;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// An engine that stops, and the next one that has its prefixes: with real decoders, the text is the same.
@Timeout(300)
@Concurrent
class RestartedPrefixesTest {
    private static final int CONTEXT = 1000;
    private static final PrintableLetters LETTERS = new PrintableLetters();

    @TempDir
    private Path directory;

    private final Random random = new Random(29);

    private record Answer(String text, int cached) {}

    private InProcessGenerator start(Path file, Kernels kernels, Precision cache, String model) throws Exception {
        var folder = directory.resolve("prefixes");
        PrefixFolder.prepare(folder);
        var stored = PrefixFolder.open(folder, model.getBytes(StandardCharsets.UTF_8), "KEY");
        var engine = InProcessGenerator.start(
                () -> new LanguageModel(
                        decoder(file, kernels, cache),
                        LETTERS,
                        new PromptEncoder(LETTERS, null),
                        "m",
                        Task.GENERATE,
                        null,
                        stored),
                new InProcessGenerator.Limits(null, Duration.ofMinutes(5)),
                System::nanoTime,
                new EngineStats(),
                _ -> {});
        Await.until("it is ready", () -> engine.readiness() instanceof Readiness.Ready);
        return engine;
    }

    private static TorchDecoder decoder(Path file, Kernels kernels, Precision cache)
            throws IOException, InterruptedException {
        var weights = kernels == Kernels.NATIVE ? Precision.AUTO : Precision.FP32;
        var options = new DecoderOptions(weights, cache, 2, CONTEXT, 1, "cpu", true, kernels);
        try (var model = Gguf.open(file)) {
            return TorchDecoder.load(model, options, _ -> {});
        }
    }

    private static Answer ask(InProcessGenerator engine, String prompt, String salt) {
        var request = new GenerationRequest(
                        new Prompt.Raw(prompt), OptionalInt.of(20), SamplingParameters.greedy(), true)
                .withCacheSalt(salt);
        var text = new StringBuilder();
        int cached;
        try (var generation = engine.submit(request)) {
            for (GenerationEvent event : generation) {
                if (event instanceof Token(int _, String piece, var _, var _)) {
                    text.append(piece);
                }
            }
            cached = Objects.requireNonNull(generation.timings()).cachedTokens();
        }
        return new Answer(text.toString(), cached);
    }

    private String letters(int count) {
        return random.ints(count, 'A', 'z' + 1).mapToObj(Character::toString).collect(Collectors.joining());
    }

    @ParameterizedTest
    @CsvSource({
        "'Llama 3 in BF16, tied', NATIVE, FP16",
        "'Llama 3 in BF16, tied', NATIVE, Q8",
        "'Llama 3 in BF16, tied', TORCH, BF16",
        "Qwen 3.5, NATIVE, Q8",
        "Gemma 3, NATIVE, Q8",
        "Gemma 3, TORCH, FP32"
    })
    void theTextAfterARestartIsTheSame(String name, Kernels kernels, Precision cache) throws Exception {
        if (kernels == Kernels.NATIVE) {
            MachineNeeds.nativeLibrary();
        }
        var file = GoldenModel.named(name).withContext(2 * CONTEXT).file().write(directory.resolve("tiny.gguf"));
        var prompt = letters(700);
        Answer first;
        var engine = start(file, kernels, cache, name);
        try {
            first = ask(engine, prompt, "key");
            ask(engine, letters(100), "key");
            ask(engine, letters(110), "other");
        } finally {
            engine.closeWithin(() -> Duration.ofMinutes(2));
        }
        assertFalse(first.text.isEmpty());
        assertTrue(Files.list(directory.resolve("prefixes")).count() > 1, "no file was written");

        engine = start(file, kernels, cache, name);
        try {
            var others = ask(engine, prompt, "other");
            assertEquals(0, others.cached);
            assertEquals(first.text, others.text);
            var again = ask(engine, prompt, "key");
            assertTrue(again.cached >= 600, again.cached + " cached tokens");
            assertEquals(first.text, again.text);
        } finally {
            engine.close();
        }
        engine = start(file, kernels, cache, "another model");
        try {
            assertEquals(0, ask(engine, prompt, "key").cached);
        } finally {
            engine.close();
        }
    }
}
