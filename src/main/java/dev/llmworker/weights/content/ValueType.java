package dev.llmworker.weights.content;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.Optional;

/// The types of GGUF's metadata, in the order of their numbers in a file.
public enum ValueType {
    UINT8(1),
    INT8(1),
    UINT16(2),
    INT16(2),
    UINT32(4),
    INT32(4),
    FLOAT32(4),
    BOOL(1),
    STRING(Long.BYTES),
    ARRAY(Integer.BYTES + Long.BYTES),
    UINT64(8),
    INT64(8),
    FLOAT64(8);

    public static final ValueLayout.OfShort SHORT = ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    public static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    public static final ValueLayout.OfLong LONG = ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    private final int leastBytes;

    ValueType(int leastBytes) {
        this.leastBytes = leastBytes;
    }

    public static Optional<ValueType> of(int id) {
        return id >= 0 && id < values().length ? Optional.of(values()[id]) : Optional.empty();
    }

    /// The bytes of a value; for a string or an array, those before its contents.
    public int leastBytes() {
        return leastBytes;
    }

    boolean isInteger() {
        return switch (this) {
            case UINT8, INT8, UINT16, INT16, UINT32, INT32, UINT64, INT64 -> true;
            case FLOAT32, FLOAT64, BOOL, STRING, ARRAY -> false;
        };
    }

    boolean isNumber() {
        return isInteger() || this == FLOAT32 || this == FLOAT64;
    }

    /// An integer or a flag. A UINT64 above the largest long becomes negative.
    long integerAt(MemorySegment segment, long offset) {
        return switch (this) {
            case UINT8, BOOL -> Byte.toUnsignedLong(segment.get(ValueLayout.JAVA_BYTE, offset));
            case INT8 -> segment.get(ValueLayout.JAVA_BYTE, offset);
            case UINT16 -> Short.toUnsignedLong(segment.get(SHORT, offset));
            case INT16 -> segment.get(SHORT, offset);
            case UINT32 -> Integer.toUnsignedLong(segment.get(INT, offset));
            case INT32 -> segment.get(INT, offset);
            case UINT64, INT64 -> segment.get(LONG, offset);
            case FLOAT32, FLOAT64, STRING, ARRAY -> throw new IllegalStateException(this + " is not an integer");
        };
    }

    double numberAt(MemorySegment segment, long offset) {
        return switch (this) {
            case FLOAT32 -> Float.intBitsToFloat(segment.get(INT, offset));
            case FLOAT64 -> Double.longBitsToDouble(segment.get(LONG, offset));
            case UINT64 -> unsigned(segment.get(LONG, offset));
            case UINT8, INT8, UINT16, INT16, UINT32, INT32, INT64, BOOL, STRING, ARRAY -> integerAt(segment, offset);
        };
    }

    private static double unsigned(long bits) {
        return bits >= 0 ? bits : (bits >>> 1) * 2.0;
    }
}
