package dev.llmworker.model.decoder;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.llmworker.model.DecoderDescription;
import dev.llmworker.model.DecoderOptions;
import dev.llmworker.model.device.Precision;
import dev.llmworker.sampling.SamplingParameters;
import dev.llmworker.weights.Gguf;
import dev.llmworker.weights.content.Tensor;
import dev.llmworker.weights.content.TensorType;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.api.parallel.Isolated;

/// What loading tells, costs and survives.
@Isolated("it measures the memory of the process")
class LoadTest {
    private static final long RSS_GROWTH_LIMIT_KIB = 16 << 10;

    @TempDir
    private Path directory;

    @Test
    void progressEndsAtTheBytesOfAllTensors() throws Exception {
        var tiny = TinyLlama.of(TensorType.Q4_1, new Random(3));
        var progress = new ArrayList<Long>();
        try (var model = Gguf.open(tiny.file.write(directory.resolve("tiny.gguf")));
                var _ = TorchDecoder.load(model, DecoderOptions.cpu(1), progress::add)) {
            var bytes = model.tensors().values().stream()
                    .map(Tensor::data)
                    .mapToLong(data -> data.byteSize())
                    .sum();
            assertEquals(bytes, progress.getLast());
            assertEquals(progress.stream().sorted().toList(), progress);
        }
    }

    @Test
    void anInterruptEndsTheLoad() throws Exception {
        var tiny = TinyLlama.of(TensorType.Q4_1, new Random(3));
        try (var model = Gguf.open(tiny.file.write(directory.resolve("tiny.gguf")))) {
            var calls = new ArrayList<Long>();
            assertThrows(
                    InterruptedException.class,
                    () -> TorchDecoder.load(model, DecoderOptions.cpu(1), bytes -> {
                        calls.add(bytes);
                        Thread.currentThread().interrupt();
                    }));
            assertEquals(1, calls.size());
        }
    }

    @Test
    void theDescriptionSaysWhatWasLoaded() throws Exception {
        var tiny = TinyLlama.of(TensorType.Q4_1, new Random(3));
        try (var decoder =
                tiny.load(directory, new DecoderOptions(Precision.FP32, Precision.AUTO, 3, 128, 1, "cpu", false))) {
            // 2 × 2 layers × 2 heads × 32 × 4 bytes a token.
            var cacheBytes = 3 * 128 * 1024L;
            assertEquals(
                    new DecoderDescription(
                            "tiny",
                            "llama",
                            192,
                            128,
                            3,
                            "cpu",
                            "fp32 (Q4_1)",
                            cacheBytes,
                            Map.of("full", cacheBytes),
                            1024,
                            3 * 128),
                    decoder.description());
        }
    }

    /// An IValue or tensor left open would take at least 100 bytes in each of five or so places a call.
    @Test
    void tenThousandCallsDoNotGrowTheProcess() throws Exception {
        var options = new DecoderOptions(Precision.AUTO, Precision.AUTO, 2, 0, 1, "cpu", false);
        try (var decoder = TinyLlama.of(TensorType.Q8_0, new Random(3)).load(directory, options)) {
            decode(decoder, 2_000);
            var before = residentKib();
            decode(decoder, 10_000);
            var grown = residentKib() - before;
            assertTrue(grown < RSS_GROWTH_LIMIT_KIB, "the process has grown by " + grown + " KiB");
        }
    }

    private static void decode(TorchDecoder decoder, int calls) {
        var sampling = new SamplingParameters(1, 0, 1, 0, 1);
        var batch = new DecodeBatch(2);
        for (var i = 0; i < calls; i++) {
            batch.clear();
            batch.add(i % 192, i % 200, sampling);
            batch.add(i % 191, i % 199, sampling);
            decoder.decode(batch, 1);
            if (i % 10 == 0) {
                decoder.prefillLast(0, new int[] {1, 2, 3}, 0, sampling);
            }
        }
    }

    private static long residentKib() throws IOException {
        System.gc();
        for (var line : Files.readAllLines(Path.of("/proc/self/status"))) {
            if (line.startsWith("VmRSS:")) {
                return Long.parseLong(line.replaceAll("\\D", ""));
            }
        }
        throw new IOException("/proc/self/status has no VmRSS");
    }
}
