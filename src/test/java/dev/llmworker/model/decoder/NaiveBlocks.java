package dev.llmworker.model.decoder;

import ai.djl.Device;
import dev.llmworker.model.device.Libtorch;
import dev.llmworker.weights.content.Tensor;
import dev.llmworker.weights.content.TensorType;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.Set;

/// The elements of quantised blocks, one after the other, by the formulas of `ggml-quants.c`.
final class NaiveBlocks {
    /// Types whose formulas take large tables. [GgufBlocksTest] compares how the program reads them.
    static final Set<TensorType> BY_PROGRAM = EnumSet.of(
            TensorType.Q3_K,
            TensorType.IQ1_S,
            TensorType.IQ1_M,
            TensorType.IQ2_XXS,
            TensorType.IQ2_XS,
            TensorType.IQ2_S,
            TensorType.IQ3_XXS,
            TensorType.IQ3_S,
            TensorType.IQ4_NL,
            TensorType.IQ4_XS,
            TensorType.TQ1_0,
            TensorType.TQ2_0);

    private static final ThreadLocal<DecoderProgram> PROGRAM = ThreadLocal.withInitial(NaiveBlocks::program);

    private final ByteBuffer block;

    private NaiveBlocks(byte[] block) {
        this.block = ByteBuffer.wrap(block).order(ByteOrder.LITTLE_ENDIAN);
    }

    /// @param blocks one after the other
    static float[] values(TensorType type, byte[] blocks) {
        if (BY_PROGRAM.contains(type)) {
            return byProgram(type, blocks);
        }
        var values = new float[blocks.length / type.blockBytes() * type.blockElements()];
        for (int at = 0, to = 0; at < blocks.length; at += type.blockBytes(), to += type.blockElements()) {
            var block = Arrays.copyOfRange(blocks, at, at + type.blockBytes());
            System.arraycopy(ofBlock(type, block), 0, values, to, type.blockElements());
        }
        return values;
    }

    private static float[] byProgram(TensorType type, byte[] blocks) {
        try (var arena = Arena.ofConfined()) {
            var elements = (long) blocks.length / type.blockBytes() * type.blockElements();
            var data = arena.allocateFrom(ValueLayout.JAVA_BYTE, blocks);
            return PROGRAM.get().fileNumbers(new Tensor(Path.of("blocks"), "w", type, new long[] {elements}, data));
        }
    }

    private static DecoderProgram program() {
        try {
            Libtorch.await();
            return ProgramKind.DENSE.open(Device.cpu(), 1);
        } catch (IOException | InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }

    private static float[] ofBlock(TensorType type, byte[] block) {
        var naive = new NaiveBlocks(block);
        var values = new float[type.blockElements()];
        for (var i = 0; i < values.length; i++) {
            values[i] = switch (type) {
                case Q4_0 -> naive.half(0) * (naive.nibble(2, i) - 8);
                case Q4_1 -> naive.half(0) * naive.nibble(4, i) + naive.half(2);
                case Q8_0 -> naive.half(0) * naive.block.get(2 + i);
                case Q5_0 -> naive.half(0) * (naive.fiveBits(2, i) - 16);
                case Q5_1 -> naive.half(0) * naive.fiveBits(4, i) + naive.half(2);
                case Q2_K -> naive.twoBits(i);
                case Q4_K -> naive.grouped(naive.groupNibble(16, i), i / 32);
                case Q5_K -> naive.grouped(naive.groupNibble(48, i) + 16 * naive.bit(16 + i % 32, i / 32), i / 32);
                case Q6_K -> naive.half(208) * naive.block.get(192 + i / 16) * (naive.sixBits(i) - 32);
                case MXFP4 -> naive.float4(i) * (float) Math.pow(2, naive.unsigned(0) - 127);
                case F16 -> naive.half(0);
                case BF16 -> Float.intBitsToFloat(naive.block.getShort(0) << Short.SIZE);
                case F32 -> naive.block.getFloat(0);
                default -> throw new IllegalArgumentException(type + " is read by the program");
            };
        }
        return values;
    }

    /// Element `i` of 32, the first 16 in the low halves of the bytes.
    private int nibble(int at, int i) {
        return i < 16 ? unsigned(at + i) & 15 : unsigned(at + i - 16) >> 4;
    }

    /// 4 bytes with the high bits, then 16 bytes with the low halves of elements `i` and `i + 16`.
    private int fiveBits(int at, int i) {
        return nibble(at + 4, i) + 16 * (block.getInt(at) >>> i & 1);
    }

    /// A sign, two bits of an exponent and one of a mantissa.
    private float float4(int i) {
        var bits = nibble(1, i);
        int exponent = bits >> 1 & 3, mantissa = bits & 1;
        var size = exponent == 0 ? mantissa * 0.5f : (1 + mantissa * 0.5f) * (1 << (exponent - 1));
        return bits >= 8 ? -size : size;
    }

    /// 32 bytes for each 64 elements: the first 32 in the low halves, the others in the high ones.
    private int groupNibble(int at, int i) {
        var quants = unsigned(at + i / 64 * 32 + i % 32);
        return i % 64 < 32 ? quants & 15 : quants >> 4;
    }

    private float grouped(int quant, int group) {
        int scale, minimum;
        if (group < 4) {
            scale = unsigned(4 + group) & 63;
            minimum = unsigned(4 + group + 4) & 63;
        } else {
            scale = unsigned(4 + group + 4) & 15 | unsigned(4 + group - 4) >> 6 << 4;
            minimum = unsigned(4 + group + 4) >> 4 | unsigned(4 + group) >> 6 << 4;
        }
        return half(0) * scale * quant - half(2) * minimum;
    }

    private float twoBits(int i) {
        var group = unsigned(i / 16);
        var quant = unsigned(16 + i / 128 * 32 + i % 32) >> i % 128 / 32 * 2 & 3;
        return half(80) * (group & 15) * quant - half(82) * (group >> 4);
    }

    private int sixBits(int i) {
        int part = i / 128, within = i % 128;
        var low = unsigned(part * 64 + within % 64);
        var high = unsigned(128 + part * 32 + within % 32) >> within / 32 * 2 & 3;
        return (within < 64 ? low & 15 : low >> 4) + 16 * high;
    }

    private int bit(int at, int index) {
        return unsigned(at) >> index & 1;
    }

    private int unsigned(int at) {
        return Byte.toUnsignedInt(block.get(at));
    }

    private float half(int at) {
        return Float.float16ToFloat(block.getShort(at));
    }
}
