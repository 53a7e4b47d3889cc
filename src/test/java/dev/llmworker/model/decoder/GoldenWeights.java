package dev.llmworker.model.decoder;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/// A tensor of a golden case: not written down, but computed as `value` in `golden_architectures.py` does.
///
/// @param name as GGUF has it; the values depend on it
/// @param hubName as transformers has it, in the cases that are files of transformers
/// @param shape columns first
record GoldenWeights(String name, @Nullable String hubName, long[] shape, float base, float scale) {
    float[] values() {
        var hash = 0xCBF2_9CE4_8422_2325L;
        for (var character : name.getBytes(StandardCharsets.UTF_8)) {
            hash = (hash ^ character) * 0x100_0000_01B3L;
        }
        var values = new float[(int) Arrays.stream(shape).reduce(1, Math::multiplyExact)];
        for (var i = 0; i < values.length; i++) {
            var z = hash + i * 0x9E37_79B9_7F4A_7C15L;
            z = (z ^ z >>> 30) * 0xBF58_476D_1CE4_E5B9L;
            z = (z ^ z >>> 27) * 0x94D0_49BB_1331_11EBL;
            z = z ^ z >>> 31;
            values[i] = base + ((z >>> 48) / 32_768f - 1) * scale;
        }
        return values;
    }

    long[] rowsFirst() {
        return shape.length == 1 ? shape.clone() : new long[] {shape[1], shape[0]};
    }
}
