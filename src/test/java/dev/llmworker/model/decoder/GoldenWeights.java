package dev.llmworker.model.decoder;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.regex.Pattern;

/// A tensor of a golden case: not written down, but computed as `value` in `golden_architectures.py` does.
///
/// @param name as in the file; the values depend on it
/// @param shape columns first in GGUF, rows first in files of transformers
record GoldenWeights(String name, float base, float scale, long[] shape) {
    /// A number of layers or experts that have the same tensor: `blk.{2}.attn_q.weight`.
    private static final Pattern COUNT = Pattern.compile("\\{(\\d+)}");

    /// @param described base, scale and shape by name
    static List<GoldenWeights> of(Map<String, double[]> described) {
        var weights = new ArrayList<GoldenWeights>();
        described.forEach((name, numbers) -> {
            var shape = Arrays.stream(numbers)
                    .skip(2)
                    .mapToLong(size -> (long) size)
                    .toArray();
            for (var each : counted(name)) {
                weights.add(new GoldenWeights(each, (float) numbers[0], (float) numbers[1], shape));
            }
        });
        return weights;
    }

    /// The names that a name with counts stands for.
    static List<String> counted(String name) {
        var count = COUNT.matcher(name);
        if (!count.find()) {
            return List.of(name);
        }
        var names = new ArrayList<String>();
        for (var i = 0; i < Integer.parseInt(count.group(1)); i++) {
            names.addAll(counted(name.substring(0, count.start()) + i + name.substring(count.end())));
        }
        return names;
    }

    /// The whole parts of the values.
    byte[] bytes() {
        var values = values();
        var bytes = new byte[values.length];
        for (var i = 0; i < bytes.length; i++) {
            bytes[i] = (byte) (int) values[i];
        }
        return bytes;
    }

    float[] values() {
        var values = new float[count()];
        for (var i = 0; i < values.length; i++) {
            values[i] = base + ((bits(i) >>> 48) / 32_768f - 1) * scale;
        }
        return values;
    }

    int count() {
        return (int) Arrays.stream(shape).reduce(1, Math::multiplyExact);
    }

    /// Random bits of an element, by SplitMix64.
    long bits(int index) {
        var hash = 0xCBF2_9CE4_8422_2325L;
        for (var character : name.getBytes(StandardCharsets.UTF_8)) {
            hash = (hash ^ character) * 0x100_0000_01B3L;
        }
        var z = hash + index * 0x9E37_79B9_7F4A_7C15L;
        z = (z ^ z >>> 30) * 0xBF58_476D_1CE4_E5B9L;
        z = (z ^ z >>> 27) * 0x94D0_49BB_1331_11EBL;
        return z ^ z >>> 31;
    }
}
