package dev.llmworker.model.decoder;

import dev.llmworker.model.DecoderOptions;
import dev.llmworker.model.device.Precision;
import dev.llmworker.sampling.SamplingParameters;
import dev.llmworker.weights.Gguf;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Locale;

/// Speed of a model's decoder on this machine, medians:
///
/// ```
/// mvn -q test-compile dependency:build-classpath -Dmdep.outputFile=target/classpath
/// java --enable-native-access=ALL-UNNAMED -cp target/test-classes:target/classes:$(cat target/classpath) \
///     dev.llmworker.model.DecoderBenchmark model.gguf
/// ```
///
/// Prints tokens per second of decoding 1, 8 and 32 sequences at positions 128 and 1000, of a prompt of 512 tokens,
/// and what the load took.
final class DecoderBenchmark {
    private static final int STEPS = 8;
    private static final int CALLS = 7;
    private static final int PROMPT_TOKENS = 512;

    private DecoderBenchmark() {}

    public static void main(String[] arguments) throws Exception {
        var start = System.nanoTime();
        try (var model = Gguf.open(Path.of(arguments[0]));
                var decoder = TorchDecoder.load(
                        model,
                        new DecoderOptions(Precision.AUTO, Precision.AUTO, 32, 1100, 0, "cpu", arguments.length > 1),
                        _ -> {})) {
            print("load, warm-up included: %.0f ms, %s", (System.nanoTime() - start) / 1e6, decoder.description());
            decoder.prefill(0, prompt(), 0);
            var milliseconds = median(() -> decoder.prefill(0, prompt(), 0));
            print("prompt of %d: %.0f tokens/s", PROMPT_TOKENS, PROMPT_TOKENS / milliseconds * 1e3);
            for (var position : new int[] {128, 1000}) {
                for (var rows : new int[] {1, 8, 32}) {
                    decode(decoder, rows, position);
                }
            }
        }
    }

    private static void decode(TorchDecoder decoder, int rows, int position) {
        var batch = new DecodeBatch(rows);
        for (var row = 0; row < rows; row++) {
            batch.add(100 + row, position, SamplingParameters.greedy());
        }
        decoder.decode(batch, 1);
        var milliseconds = median(() -> decoder.decode(batch, STEPS)) / STEPS;
        print(
                "%2d rows at %4d: %6.2f ms a step, %5.0f tokens/s",
                rows, position, milliseconds, rows / milliseconds * 1e3);
    }

    private static int[] prompt() {
        var ids = new int[PROMPT_TOKENS];
        Arrays.setAll(ids, i -> 100 + i);
        return ids;
    }

    private static double median(Runnable call) {
        var times = new double[CALLS];
        for (var i = 0; i < CALLS; i++) {
            var start = System.nanoTime();
            call.run();
            times[i] = (System.nanoTime() - start) / 1e6;
        }
        Arrays.sort(times);
        return times[CALLS / 2];
    }

    private static void print(String format, Object... values) {
        System.out.println(String.format(Locale.ROOT, format, values));
    }
}
