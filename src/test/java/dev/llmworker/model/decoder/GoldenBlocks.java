package dev.llmworker.model.decoder;

import com.fasterxml.jackson.databind.ObjectMapper;
import dev.llmworker.weights.TensorType;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.Map;
import java.util.Objects;

/// Random blocks of a quantised type, and the numbers that the package gguf makes of them. `golden_blocks.py` writes
/// them. The scale of the first ones is 1.
///
/// @param blocks one after the other
/// @param values theirs, as the bytes of floats
record GoldenBlocks(byte[] blocks, byte[] values) {
    /// Blocks whose scale is 1.
    static final int UNITS = 2;

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

    /// One of the blocks whose scale is 1, with another scale.
    ///
    /// @param scale a float16
    static byte[] block(TensorType type, int which, short scale) {
        var bytes = type.blockBytes();
        var block = Arrays.copyOfRange(of(type).blocks, which * bytes, (which + 1) * bytes);
        putScale(type, block, scale);
        return block;
    }

    /// The numbers of a block that is one of [#block], of a type with one scale.
    static float[] values(TensorType type, byte[] block) {
        var scale = scale(type, block);
        for (var which = 0; which < UNITS; which++) {
            if (Arrays.equals(block, block(type, which, scale))) {
                var all = of(type).floats();
                var own = Arrays.copyOfRange(all, which * type.blockElements(), (which + 1) * type.blockElements());
                for (var i = 0; i < own.length; i++) {
                    // Exact: the scale has 11 bits, the numbers have at most 13.
                    own[i] *= Float.float16ToFloat(scale);
                }
                return own;
            }
        }
        throw new IllegalArgumentException("a block of " + type + " that is not golden");
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

    private static ByteBuffer littleEndian(byte[] block) {
        return ByteBuffer.wrap(block).order(ByteOrder.LITTLE_ENDIAN);
    }

    private static int scaleAt(TensorType type) {
        return switch (type) {
            case Q3_K -> 108;
            case TQ1_0 -> 52;
            case TQ2_0 -> 64;
            default -> 0;
        };
    }

    private static short scale(TensorType type, byte[] block) {
        if (type != TensorType.IQ1_M) {
            return littleEndian(block).getShort(scaleAt(type));
        }
        var bits = 0;
        for (var i = 0; i < 4; i++) {
            bits |= (block[IQ1_M_QUARTERS + 2 * i + 1] >> 4 & 15) << 4 * i;
        }
        return (short) bits;
    }

    private static void putScale(TensorType type, byte[] block, short scale) {
        if (type != TensorType.IQ1_M) {
            littleEndian(block).putShort(scaleAt(type), scale);
            return;
        }
        for (var i = 0; i < 4; i++) {
            var at = IQ1_M_QUARTERS + 2 * i + 1;
            block[at] = (byte) (block[at] & 15 | (scale >> 4 * i & 15) << 4);
        }
    }
}
