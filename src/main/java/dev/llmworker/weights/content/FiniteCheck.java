package dev.llmworker.weights.content;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Optional;

/// Finds NaN and infinity in a tensor's data. In quantised blocks it checks only the scales, because the quants
/// are integers. A float is NaN or infinite if all bits of its exponent are set.
public final class FiniteCheck {
    private static final long FLOAT16_EXPONENT = 0x7C00;
    private static final long BFLOAT16_EXPONENT = 0x7F80;
    private static final long FLOAT32_EXPONENT = 0x7F80_0000;
    /// Of MXFP4's scales.
    private static final int EXPONENT_BIAS = 127;

    private static final int MOST_EXPONENT = 12;
    /// Programs hold the scales of parts of a block, and what the lowest quant stands for, as float16.
    private static final float MOST = 65504;

    private static final int WITHOUT_SIGN = 0x7FFF;
    /// In a block of IQ1_M, the last 4 bits of these 2 bytes each are a quarter of the scale, the lowest first.
    private static final int QUARTERS_AT = 48;

    private FiniteCheck() {}

    /// The first such value: `has NaN at element 17`.
    static Optional<String> problem(Tensor tensor) {
        var data = tensor.data();
        if (tensor.packed() != null) {
            return tensor.packed().problem();
        }
        return switch (tensor.type()) {
            case Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q2_K, Q3_K, Q4_K, Q5_K, Q6_K -> scales(tensor);
            case IQ1_S, IQ2_XXS, IQ2_XS, IQ2_S, IQ3_XXS, IQ3_S, IQ4_NL, IQ4_XS, TQ1_0, TQ2_0 -> scales(tensor);
            case IQ1_M -> quarters(tensor);
            case MXFP4 -> exponents(data, tensor.type().blockBytes());
            case F16 -> element(data, Short.BYTES, FLOAT16_EXPONENT).map(at -> elementProblem(tensor, at));
            case BF16 -> element(data, Short.BYTES, BFLOAT16_EXPONENT).map(at -> elementProblem(tensor, at));
            case F32 -> element(data, Integer.BYTES, FLOAT32_EXPONENT).map(at -> elementProblem(tensor, at));
        };
    }

    private static Optional<String> scales(Tensor tensor) {
        var data = tensor.data();
        var type = tensor.type();
        var most = most(type);
        for (var scale = 0; scale < type.blockScales(); scale++) {
            var first = type.scalesAt() + (long) scale * Short.BYTES;
            for (var at = first; at < data.byteSize(); at += type.blockBytes()) {
                var scale16 = data.get(ValueType.SHORT, at);
                if ((scale16 & WITHOUT_SIGN) > most) {
                    return Optional.of(scaleProblem(scale16, at / type.blockBytes()));
                }
            }
        }
        return Optional.empty();
    }

    private static Optional<String> quarters(Tensor tensor) {
        var data = tensor.data();
        var bytes = tensor.type().blockBytes();
        var most = most(tensor.type());
        for (var block = 0L; block < data.byteSize() / bytes; block++) {
            var scale = 0;
            for (var i = 0; i < 4; i++) {
                var two = data.get(ValueType.SHORT, block * bytes + QUARTERS_AT + (long) i * Short.BYTES);
                scale |= (two >> 12 & 15) << 4 * i;
            }
            if ((scale & WITHOUT_SIGN) > most) {
                return Optional.of(scaleProblem((short) scale, block));
            }
        }
        return Optional.empty();
    }

    private static String scaleProblem(short scale, long block) {
        var value = Float.float16ToFloat(scale);
        return "has a scale of " + value + " in block " + block
                + (Float.isFinite(value) ? ", with which numbers may be above " + MOST : "");
    }

    /// The bits of the largest scale that keeps all that is made of it in float16. No model has such large weights.
    static int most(TensorType type) {
        var bits = Float.floatToFloat16(MOST / largestFactor(type));
        return Float.float16ToFloat(bits) * largestFactor(type) > MOST ? bits - 1 : bits;
    }

    private static float largestFactor(TensorType type) {
        return switch (type) {
            case Q4_0 -> 8;
            case Q5_0 -> 16;
            case Q2_K -> 15;
            case Q3_K, IQ4_XS -> 32;
            case Q4_K, Q5_K -> 63;
            case Q6_K -> 128;
            case IQ3_S -> 31;
            case IQ3_XXS -> 7.75f;
            case IQ2_XXS, IQ2_XS, IQ2_S -> 3.875f;
            case IQ1_S, IQ1_M -> 1.875f;
            default -> 1;
        };
    }

    /// Scales are powers of two. The programs hold 12 half scales as a float16; no model has such large weights.
    ///
    /// @param step bytes from one scale to the next
    public static Optional<String> exponents(MemorySegment data, int step) {
        for (var at = 0L; at < data.byteSize(); at += step) {
            var exponent = Byte.toUnsignedInt(data.get(ValueLayout.JAVA_BYTE, at)) - EXPONENT_BIAS;
            if (exponent > MOST_EXPONENT) {
                return Optional.of(
                        "has a scale of 2^" + exponent + " in block " + at / step + ", above 2^" + MOST_EXPONENT);
            }
        }
        return Optional.empty();
    }

    /// Tests eight bytes at a time. The sign bits are masked out first. Adding the exponent's lowest bit then
    /// carries into a sign bit only if all bits of the exponent are set.
    private static Optional<Long> element(MemorySegment data, int elementBytes, long exponent) {
        var lanes = elementBytes == Short.BYTES ? 0x0001_0001_0001_0001L : 0x0000_0001_0000_0001L;
        var signs = lanes << (elementBytes * Byte.SIZE - 1);
        var exponents = lanes * exponent;
        var lowest = signs - exponents;
        var wide = data.byteSize() / Long.BYTES * Long.BYTES;
        var at = 0L;
        while (at < wide && (((data.get(ValueType.LONG, at) & exponents) + lowest) & signs) == 0) {
            at += Long.BYTES;
        }
        for (; at < data.byteSize(); at += elementBytes) {
            var element = elementBytes == Short.BYTES ? data.get(ValueType.SHORT, at) : data.get(ValueType.INT, at);
            if ((element & exponent) == exponent) {
                return Optional.of(at / elementBytes);
            }
        }
        return Optional.empty();
    }

    private static String elementProblem(Tensor tensor, long index) {
        return "has " + tensor.element(index) + " at element " + index;
    }
}
