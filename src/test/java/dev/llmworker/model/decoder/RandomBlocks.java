package dev.llmworker.model.decoder;

import dev.llmworker.weights.content.TensorType;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.random.RandomGenerator;

/// Random numbers as a file has them, in any type.
record RandomBlocks(RandomGenerator random) {
    /// The bytes of numbers of about the size `scale`.
    ///
    /// @param weights gets exactly what the bytes stand for
    byte[] fill(TensorType type, float scale, float[] weights) {
        var elements = type.blockElements();
        var bytes = ByteBuffer.allocate(weights.length / elements * type.blockBytes())
                .order(ByteOrder.LITTLE_ENDIAN);
        if (NaiveBlocks.BY_PROGRAM.contains(type)) {
            scaled(type, scale, bytes.array());
            System.arraycopy(NaiveBlocks.values(type, bytes.array()), 0, weights, 0, weights.length);
            return bytes.array();
        }
        for (var start = 0; start < weights.length; start += elements) {
            block(type, scale, bytes, weights, start);
        }
        return bytes.array();
    }

    private void block(TensorType type, float scale, ByteBuffer bytes, float[] weights, int start) {
        switch (type) {
            case F32 -> {
                weights[start] = (float) random.nextGaussian() * scale;
                bytes.putFloat(weights[start]);
            }
            case F16 -> weights[start] = half(bytes, (float) random.nextGaussian() * scale);
            case BF16 -> {
                var bits = Float.floatToRawIntBits((float) random.nextGaussian() * scale) & 0xFFFF0000;
                weights[start] = Float.intBitsToFloat(bits);
                bytes.putShort((short) (bits >>> 16));
            }
            case Q8_0 -> {
                var d = half(bytes, scale * (0.5f + random.nextFloat()) / 64);
                for (var i = 0; i < type.blockElements(); i++) {
                    var quant = (byte) random.nextInt(-128, 128);
                    bytes.put(quant);
                    weights[start + i] = d * quant;
                }
            }
            case Q4_0 -> {
                var d = half(bytes, scale * (0.5f + random.nextFloat()) / 4);
                nibbles(bytes, d, -8 * d, weights, start);
            }
            case Q4_1 -> {
                var d = half(bytes, scale * (0.5f + random.nextFloat()) / 4);
                var minimum = half(bytes, -7.5f * d + scale * random.nextFloat() / 10);
                nibbles(bytes, d, minimum, weights, start);
            }
            case Q5_0 -> random(type, bytes, weights, start, scale / 9);
            case Q5_1 -> random(type, bytes, weights, start, scale / 9, -15.5f * scale / 9);
            // Group scales and minimums are 31 on the average, and the minimums do not go with the scales.
            case Q4_K -> random(type, bytes, weights, start, scale / 400, 7.5f * scale / 400);
            case Q5_K -> random(type, bytes, weights, start, scale / 800, 15.5f * scale / 800);
            case Q6_K -> random(type, bytes, weights, start, scale / 1370);
            // Group scales and minimums are 7.5 on the average.
            case Q2_K -> random(type, bytes, weights, start, scale / 12, 1.5f * scale / 12);
            case MXFP4 -> exponents(bytes, weights, start, scale / 3);
            case Q3_K, IQ1_S, IQ1_M, IQ2_XXS, IQ2_XS, IQ2_S, IQ3_XXS, IQ3_S, IQ4_NL, IQ4_XS, TQ1_0, TQ2_0 ->
                throw new IllegalArgumentException(type + " is filled as a whole");
        }
    }

    /// A block of random bytes but for the float16 scales.
    private void random(TensorType type, ByteBuffer bytes, float[] weights, int start, float... scales) {
        var block = new byte[type.blockBytes()];
        random.nextBytes(block);
        var at = type == TensorType.Q6_K ? 208 : type == TensorType.Q2_K ? 80 : 0;
        for (var scale : scales) {
            ByteBuffer.wrap(block)
                    .order(ByteOrder.LITTLE_ENDIAN)
                    .putShort(at, Float.floatToFloat16(scale * (0.75f + random.nextFloat() / 2)));
            at += Short.BYTES;
        }
        bytes.put(block);
        System.arraycopy(NaiveBlocks.values(type, block), 0, weights, start, type.blockElements());
    }

    /// Blocks of random bytes but for their one scale.
    private void scaled(TensorType type, float scale, byte[] bytes) {
        random.nextBytes(bytes);
        var size = scale / GoldenBlocks.size(type);
        var block = new byte[type.blockBytes()];
        for (var at = 0; at < bytes.length; at += block.length) {
            System.arraycopy(bytes, at, block, 0, block.length);
            GoldenBlocks.putScale(type, block, Float.floatToFloat16(size * (0.75f + random.nextFloat() / 2)));
            System.arraycopy(block, 0, bytes, at, block.length);
        }
    }

    /// A block of MXFP4, whose scale is a power of two.
    private void exponents(ByteBuffer bytes, float[] weights, int start, float scale) {
        var block = new byte[TensorType.MXFP4.blockBytes()];
        random.nextBytes(block);
        block[0] = (byte) (127 + Math.getExponent(scale) + random.nextInt(2));
        bytes.put(block);
        var values = NaiveBlocks.values(TensorType.MXFP4, block);
        System.arraycopy(values, 0, weights, start, values.length);
    }

    private void nibbles(ByteBuffer bytes, float d, float offset, float[] weights, int start) {
        for (var i = 0; i < 16; i++) {
            int low = random.nextInt(16), high = random.nextInt(16);
            bytes.put((byte) (high << 4 | low));
            weights[start + i] = d * low + offset;
            weights[start + i + 16] = d * high + offset;
        }
    }

    private static float half(ByteBuffer bytes, float value) {
        var bits = Float.floatToFloat16(value);
        bytes.putShort(bits);
        return Float.float16ToFloat(bits);
    }
}
