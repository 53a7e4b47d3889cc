package dev.llmworker.model.check;

import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import dev.llmworker.model.decoder.DecodeBatch;
import dev.llmworker.model.decoder.TorchDecoder;
import dev.llmworker.model.device.Devices;
import dev.llmworker.sampling.SamplingParameters;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/// Measures a decoder's speed, and how fast it could be by the bandwidth of its memory.
///
/// Threading: the decoder's thread.
public record DecoderSpeed(TorchDecoder decoder) {
    private static final int[] ROWS = {1, 2, 4, 8, 16, 32, 64, 128, 256};
    private static final int POSITION = 128;
    /// More than the CPU's caches hold.
    private static final int PASS_FLOATS = 1 << 26;
    private static final int PASSES = 8;
    private static final int LEAST_CALLS = 5;
    private static final double NANOS = 1e9;

    /// @param rows sequences decoded together
    /// @param tokensPerSecond of all together
    /// @param bound tokens a second if a step only read weights and cache once, at the memory's bandwidth
    public record Decoding(int rows, double tokensPerSecond, double bound) {}

    /// The bytes of weights that a step reads.
    public long stepBytes() {
        return decoder.stepBytes();
    }

    /// Bytes that the device's memory reads and writes in a second, here by adding to an array in place.
    ///
    /// @param duration of the measurement, about
    public double bandwidth(Duration duration) {
        var device = Devices.of(decoder.description().device());
        try (var manager = NDManager.newBaseManager(device, "PyTorch")) {
            var array = manager.ones(new Shape(PASS_FLOATS), DataType.FLOAT32);
            var seconds = seconds(duration, () -> {
                for (var i = 0; i < PASSES; i++) {
                    array.addi(1);
                }
                try (var last = array.get(PASS_FLOATS - 1)) {
                    // When the value has arrived, the device has finished all passes.
                    last.getFloat();
                }
            });
            return 2.0 * PASSES * PASS_FLOATS * Float.BYTES / seconds;
        }
    }

    /// Greedy steps at position 128, for one row, then more, up to the decoder's slots.
    ///
    /// @param duration of each measurement, about
    /// @param bytesPerSecond of the device's memory
    public List<Decoding> decoding(Duration duration, double bytesPerSecond) {
        var description = decoder.description();
        var position = Math.min(POSITION, description.contextLength() - 1);
        var cacheBytes = (double) description.kvCacheBytesPerToken();
        var found = new ArrayList<Decoding>();
        for (var rows : ROWS) {
            if (rows > description.slots()) {
                break;
            }
            var batch = new DecodeBatch(rows);
            for (var row = 0; row < rows; row++) {
                batch.add(row % description.vocabularySize(), position, SamplingParameters.greedy());
            }
            var seconds = seconds(duration, () -> decoder.decode(batch, 1));
            var bytes = stepBytes() + rows * (position + 1) * cacheBytes;
            found.add(new Decoding(rows, rows / seconds, rows * bytesPerSecond / bytes));
        }
        return found;
    }

    /// Tokens of a prompt in a second, by the scheduler's largest chunks.
    ///
    /// @param tokens of the prompt; fewer if the context is shorter
    public double promptTokensPerSecond(int tokens, Duration duration) {
        var chunk = Math.min(
                Math.min(tokens, decoder.prompts().alone()),
                decoder.description().contextLength());
        var chunks = Math.max(1, Math.min(tokens, decoder.description().contextLength()) / chunk);
        var ids = new int[chunk];
        var seconds = seconds(duration, () -> {
            for (var i = 0; i < chunks - 1; i++) {
                decoder.prefill(0, ids, i * chunk);
            }
            decoder.prefillLast(0, ids, (chunks - 1) * chunk, SamplingParameters.greedy());
        });
        return chunks * chunk / seconds;
    }

    /// The median of the calls in about `duration`, without the first one.
    private static double seconds(Duration duration, Runnable call) {
        call.run();
        var times = new ArrayList<Long>();
        var end = System.nanoTime() + duration.toNanos();
        while (times.size() < LEAST_CALLS || System.nanoTime() < end) {
            var start = System.nanoTime();
            call.run();
            times.add(System.nanoTime() - start);
        }
        var sorted = times.stream().mapToLong(Long::longValue).toArray();
        Arrays.sort(sorted);
        return sorted[sorted.length / 2] / NANOS;
    }
}
