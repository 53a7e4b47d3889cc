package dev.llmworker.engine;

import dev.llmworker.generation.AnswerFormat;
import dev.llmworker.generation.GenerationEvent;
import dev.llmworker.generation.GenerationRequest;
import dev.llmworker.generation.Prompt;
import dev.llmworker.generation.Readiness;
import dev.llmworker.hub.StarterModelFile;
import dev.llmworker.model.DecoderOptions;
import dev.llmworker.model.decoder.TorchDecoder;
import dev.llmworker.model.device.Precision;
import dev.llmworker.sampling.LogitAdjustment;
import dev.llmworker.sampling.SamplingParameters;
import dev.llmworker.stats.EngineStats;
import dev.llmworker.text.chat.PromptEncoder;
import dev.llmworker.text.gguf.GgufTokenizer;
import dev.llmworker.weights.Gguf;
import java.lang.management.ManagementFactory;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.OptionalInt;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.DoubleStream;

/// What structured output costs: the time of a step of 8 streams, free and with a format, in turns. In the test
/// class path, with the starter model or another one:
///
/// ```
/// java --enable-native-access=ALL-UNNAMED dev.llmworker.engine.ConstrainedBenchmark [ROUNDS [MODEL.gguf [THREADS]]]
/// ```
///
/// Prints medians for each kind of load: the engine thread's processor time and the elapsed time of a step, and what
/// the free ones' is as a share of them. A step serves all rows, so "half" is also what free streams have beside
/// streams with a format. "new format" compiles its format in each round, and finds all masks anew. On a machine that
/// does other things too, one thread and the processor time tell more.
final class ConstrainedBenchmark {
    private static final int STREAMS = 8;
    private static final int TOKENS = 64;
    private static final String FREE = "free";
    private static final List<String> KINDS = List.of(FREE, "logprobs", "half", "format", "new format");
    /// The model cannot end such an answer within the limit of its tokens.
    private static final String SCHEMA = """
            {"title": "%s", "type": "array", "minItems": 1000, "items": {"type": "object", "additionalProperties": false,
             "properties": {
              "name": {"type": "string", "maxLength": 30},
              "age": {"type": "integer", "minimum": 0, "maximum": 150},
              "color": {"enum": ["red", "green", "blue"]},
              "born": {"type": "string", "format": "date"},
              "code": {"type": "string", "pattern": "^[A-Z]{2}[0-9]{4}$"},
              "scores": {"type": "array", "items": {"type": "number"}, "minItems": 1, "maxItems": 4},
              "notes": {"type": "string"}},
             "required": ["name", "age", "color", "born", "code", "scores"]}}""";

    private final InProcessGenerator generator;
    private int formats;

    private ConstrainedBenchmark(InProcessGenerator generator) {
        this.generator = generator;
    }

    public static void main(String[] arguments) throws Exception {
        var rounds = arguments.length > 0 ? Integer.parseInt(arguments[0]) : 9;
        var file = arguments.length > 1 ? Path.of(arguments[1]) : StarterModelFile.path();
        var threads = arguments.length > 2 ? Integer.parseInt(arguments[2]) : 1;
        var generator = InProcessGenerator.start(
                () -> load(file, threads),
                new InProcessGenerator.Limits(null, Duration.ofMinutes(5)),
                System::nanoTime,
                new EngineStats(),
                _ -> {});
        try (generator) {
            while (generator.readiness() instanceof Readiness.Loading) {
                Thread.sleep(Duration.ofMillis(20));
            }
            new ConstrainedBenchmark(generator).run(rounds);
        }
    }

    private static LanguageModel load(Path file, int threads) throws Exception {
        try (var model = Gguf.open(file)) {
            var options = new DecoderOptions(Precision.AUTO, Precision.AUTO, STREAMS, 512, threads, "cpu", false);
            var tokenizer = GgufTokenizer.of(model.metadata());
            return new LanguageModel(
                    TorchDecoder.load(model, options, _ -> {}), tokenizer, new PromptEncoder(tokenizer, null));
        }
    }

    /// Milliseconds.
    private record Step(double processor, double elapsed) {}

    private void run(int rounds) throws Exception {
        Map<String, List<Step>> found = new LinkedHashMap<>();
        for (var round = -1; round < rounds; round++) {
            for (var kind : KINDS) {
                var step = step(kind);
                if (round >= 0) {
                    found.computeIfAbsent(kind, _ -> new ArrayList<>()).add(step);
                }
            }
        }
        var free = found.getOrDefault(FREE, List.of());
        found.forEach((kind, own) -> {
            var processor = median(own.stream().mapToDouble(Step::processor));
            var elapsed = median(own.stream().mapToDouble(Step::elapsed));
            var processorShare = median(free.stream().mapToDouble(Step::processor)) / processor;
            var elapsedShare = median(free.stream().mapToDouble(Step::elapsed)) / elapsed;
            System.out.println(String.format(
                    Locale.ROOT,
                    "%-10s %6.2f ms of the processor (%.3f), %6.2f ms (%.3f)",
                    kind,
                    processor,
                    processorShare,
                    elapsed,
                    elapsedShare));
        });
    }

    private static double median(DoubleStream values) {
        var sorted = values.sorted().toArray();
        return sorted[sorted.length / 2];
    }

    private static long engineNanos() {
        var engine = Thread.getAllStackTraces().keySet().stream()
                .filter(thread -> thread.getName().equals("engine"))
                .findFirst()
                .orElseThrow();
        return ManagementFactory.getThreadMXBean().getThreadCpuTime(engine.threadId());
    }

    private AnswerFormat format(String kind) {
        formats += kind.equals("new format") ? 1 : 0;
        return new AnswerFormat.Json("schema", SCHEMA.formatted(kind.equals("new format") ? "a" + formats : "known"));
    }

    /// From the first token of the last stream to the last token of all.
    private Step step(String kind) throws Exception {
        var format = format(kind);
        var begun = new CountDownLatch(STREAMS);
        try (var threads = Executors.newVirtualThreadPerTaskExecutor()) {
            List<Future<Integer>> streams = new ArrayList<>();
            for (var i = 0; i < STREAMS; i++) {
                var withFormat = kind.endsWith("format") || kind.equals("half") && i % 2 == 0;
                var logprobs = kind.equals("logprobs") ? OptionalInt.of(0) : OptionalInt.empty();
                var sampling = new SamplingParameters(0.7f, 0, 1, 0, 100 + i, LogitAdjustment.NONE, logprobs);
                var request = new GenerationRequest(
                        new Prompt.Raw("A list of people, as JSON:"), OptionalInt.of(TOKENS), sampling, !withFormat);
                var asked = withFormat ? request.withFormat(format) : request;
                streams.add(threads.submit(() -> read(asked, begun)));
            }
            begun.await();
            var start = System.nanoTime();
            var startOfEngine = engineNanos();
            var tokens = 0;
            for (var stream : streams) {
                tokens += stream.get();
            }
            var steps = 1e6 * tokens / STREAMS;
            return new Step((engineNanos() - startOfEngine) / steps, (System.nanoTime() - start) / steps);
        }
    }

    /// How many tokens came after the first ones of all streams.
    private int read(GenerationRequest request, CountDownLatch begun) {
        var later = 0;
        var all = 0;
        try (var generation = generator.submit(request)) {
            for (var event : generation) {
                if (event instanceof GenerationEvent.Token) {
                    later += begun.getCount() == 0 ? 1 : 0;
                    if (all == 0) {
                        begun.countDown();
                    }
                    all++;
                }
            }
        }
        if (all != TOKENS) {
            throw new IllegalStateException("a stream ended after " + all + " tokens");
        }
        return later;
    }
}
