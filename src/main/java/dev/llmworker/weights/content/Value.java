package dev.llmworker.weights.content;

import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.stream.IntStream;

/// A metadata value. It does not refer to the mapped file, so the metadata outlive it.
public sealed interface Value {
    /// The value's type, for messages: `a UINT32`, `an array of 3 INT32`.
    String description();

    /// One number or flag.
    ///
    /// @param raw its `type.leastBytes()` bytes
    record Scalar(ValueType type, MemorySegment raw) implements Value {
        @Override
        public String description() {
            return (type.isInteger() && !type.name().startsWith("U") ? "an " : "a ") + type;
        }

        public long integer() {
            return type.integerAt(raw, 0);
        }

        double number() {
            return type.numberAt(raw, 0);
        }
    }

    /// @param text has U+FFFD for what is not UTF-8
    /// @param malformedAt where a string that is not UTF-8 begins in the file; -1 if it is UTF-8
    record Text(String text, long malformedAt) implements Value {
        public Text(String text) {
            this(text, -1);
        }

        public String problem() {
            return "has a string at byte " + malformedAt + " that is not UTF-8";
        }

        @Override
        public String description() {
            return "a STRING";
        }
    }

    static Scalar integer(long value) {
        var raw = MemorySegment.ofArray(new byte[Long.BYTES]);
        raw.set(ValueType.LONG, 0, value);
        return new Scalar(ValueType.INT64, raw);
    }

    static Scalar number(double value) {
        var raw = MemorySegment.ofArray(new byte[Double.BYTES]);
        raw.set(ValueType.LONG, 0, Double.doubleToRawLongBits(value));
        return new Scalar(ValueType.FLOAT64, raw);
    }

    static Scalar flag(boolean value) {
        return new Scalar(ValueType.BOOL, MemorySegment.ofArray(new byte[] {(byte) (value ? 1 : 0)}));
    }

    static Scalars flags(boolean[] flags) {
        var bytes = new byte[flags.length];
        for (var i = 0; i < flags.length; i++) {
            bytes[i] = (byte) (flags[i] ? 1 : 0);
        }
        return new Scalars(ValueType.BOOL, MemorySegment.ofArray(bytes));
    }

    static Scalars integers(long[] values) {
        var raw = MemorySegment.ofArray(new byte[values.length * Long.BYTES]);
        for (var i = 0; i < values.length; i++) {
            raw.set(ValueType.LONG, (long) i * Long.BYTES, values[i]);
        }
        return new Scalars(ValueType.INT64, raw);
    }

    /// An array of strings, unmodifiable.
    ///
    /// @param malformedAt where the first string that is not UTF-8 begins in the file; -1 if all are
    record Texts(List<String> texts, long malformedAt) implements Value {
        @Override
        public String description() {
            return "an array of " + texts.size() + " STRING";
        }
    }

    /// An array of numbers or flags in the file's own encoding: a hostile file must not grow in memory.
    record Scalars(ValueType type, MemorySegment raw) implements Value {
        @Override
        public String description() {
            return "an array of " + count() + " " + type;
        }

        /// The count is at most the header's limit in bytes.
        int count() {
            return (int) (raw.byteSize() / type.leastBytes());
        }

        /// For types whose values fit.
        int[] integers() {
            return IntStream.range(0, count()).map(i -> (int) integerAt(i)).toArray();
        }

        long integerAt(int index) {
            return type.integerAt(raw, (long) index * type.leastBytes());
        }

        double numberAt(int index) {
            return type.numberAt(raw, (long) index * type.leastBytes());
        }
    }
}
