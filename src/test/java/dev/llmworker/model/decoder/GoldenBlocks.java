package dev.llmworker.model.decoder;

import com.fasterxml.jackson.databind.ObjectMapper;
import dev.llmworker.weights.content.TensorType;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Map;
import java.util.Objects;

/// Random blocks of a quantised type, and the numbers that the package gguf makes of them. `golden_blocks.py` writes
/// them. The scale of the first ones is 1.
///
/// @param blocks one after the other
/// @param values theirs, as the bytes of floats
record GoldenBlocks(byte[] blocks, byte[] values) {
    /// Blocks whose scale is 1.
    private static final int UNITS = 2;

    private static final int IQ1_M_QUARTERS = 48;
    private static final Map<String, GoldenBlocks> ALL = read();

    private static Map<String, GoldenBlocks> read() {
        try (var stream = GoldenBlocks.class.getResourceAsStream("/golden/gguf_blocks.json")) {
            var json = new ObjectMapper();
            var type = json.getTypeFactory().constructMapType(Map.class, String.class, GoldenBlocks.class);
            return json.readValue(stream, type);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    static GoldenBlocks of(TensorType type) {
        return Objects.requireNonNull(ALL.get(type.name()), type.name());
    }

    float[] floats() {
        var floats = new float[values.length / Float.BYTES];
        ByteBuffer.wrap(values).order(ByteOrder.LITTLE_ENDIAN).asFloatBuffer().get(floats);
        return floats;
    }

    /// The root of the mean square of the blocks whose scale is 1.
    static float size(TensorType type) {
        var squares = 0.0;
        var count = UNITS * type.blockElements();
        var all = of(type).floats();
        for (var i = 0; i < count; i++) {
            squares += all[i] * all[i];
        }
        return (float) Math.sqrt(squares / count);
    }

    private static int scaleAt(TensorType type) {
        return switch (type) {
            case Q3_K -> 108;
            case TQ1_0 -> 52;
            case TQ2_0 -> 64;
            default -> 0;
        };
    }

    /// Of a type with one scale.
    static void putScale(TensorType type, byte[] block, short scale) {
        if (type != TensorType.IQ1_M) {
            ByteBuffer.wrap(block).order(ByteOrder.LITTLE_ENDIAN).putShort(scaleAt(type), scale);
            return;
        }
        for (var i = 0; i < 4; i++) {
            var at = IQ1_M_QUARTERS + 2 * i + 1;
            block[at] = (byte) (block[at] & 15 | (scale >> 4 * i & 15) << 4);
        }
    }
}
