package dev.llmworker.model.decoder;

import dev.llmworker.weights.SafetensorsFile;
import dev.llmworker.weights.content.TensorType;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import org.jspecify.annotations.Nullable;

/// A tensor as `golden_quantised.py` describes it: random bits, random floats, or numbers that are written down.
///
/// @param dtype the type's name in the file
/// @param mask of random bits; null if they are no bits
/// @param added to them
/// @param values null if they are random
record GoldenPart(
        String dtype,
        long[] shape,
        @Nullable Long mask,
        long added,
        float base,
        float scale,
        double @Nullable [] values) {
    void write(SafetensorsFile file, String name) {
        switch (dtype) {
            case "F32", "F16", "BF16" -> file.tensor(name, TensorType.valueOf(dtype), floats(name), shape);
            default -> file.raw(name, dtype, bytes(name), shape);
        }
    }

    private float[] floats(String name) {
        if (values == null) {
            return new GoldenWeights(name, base, scale, shape).values();
        }
        var floats = new float[values.length];
        for (var i = 0; i < floats.length; i++) {
            floats[i] = (float) values[i];
        }
        return floats;
    }

    private byte[] bytes(String name) {
        var random = new GoldenWeights(name, 0, 0, shape);
        var bytes = ByteBuffer.allocate(random.count() * Long.BYTES).order(ByteOrder.LITTLE_ENDIAN);
        for (var i = 0; i < random.count(); i++) {
            var number = values == null ? 0 : (long) values[i];
            switch (dtype) {
                case "I64" -> bytes.putLong(number);
                case "I32" -> bytes.putInt((int) (mask == null ? number : (random.bits(i) >>> 32 & mask) + added));
                default -> bytes.put((byte) (mask == null ? number : (random.bits(i) >>> 56 & mask) + added));
            }
        }
        var written = new byte[bytes.position()];
        bytes.flip().get(written);
        return written;
    }
}
