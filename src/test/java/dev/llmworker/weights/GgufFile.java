package dev.llmworker.weights;

import dev.llmworker.weights.content.TensorType;
import dev.llmworker.weights.content.ValueType;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalLong;

/// Writes small GGUF files for tests: sound ones, and by `raw`, `declare` and the counts also ones that no writer
/// makes.
///
/// ```java
/// new GgufFile().string("general.architecture", "llama").floats("output_norm.weight", new float[] {1, 2},
/// 2).write(file);
/// ```
public final class GgufFile {
    private record Pair(String key, int type, byte[] value) {}

    private record Declared(String name, int type, long[] shape, OptionalLong offset, byte[] data) {}

    private final List<Pair> pairs = new ArrayList<>();
    private final List<Declared> tensors = new ArrayList<>();
    private int version = 3;
    private int alignment = 32;
    private OptionalLong tensorCount = OptionalLong.empty();
    private OptionalLong keyCount = OptionalLong.empty();

    public GgufFile version(int version) {
        this.version = version;
        return this;
    }

    /// Writes the key too; 32 without.
    public GgufFile alignment(int alignment) {
        this.alignment = alignment;
        return integer("general.alignment", alignment);
    }

    /// Declares so many tensors, whatever there are.
    public GgufFile tensorCount(long count) {
        tensorCount = OptionalLong.of(count);
        return this;
    }

    /// Declares so many metadata keys, whatever there are.
    public GgufFile keyCount(long count) {
        keyCount = OptionalLong.of(count);
        return this;
    }

    public GgufFile string(String key, String value) {
        return raw(key, ValueType.STRING.ordinal(), new Bytes().string(value).toByteArray());
    }

    /// A UINT32, as GGUF has its counts, or an INT32 if `value` is negative.
    public GgufFile integer(String key, int value) {
        var type = value < 0 ? ValueType.INT32 : ValueType.UINT32;
        return raw(key, type.ordinal(), new Bytes().int32(value).toByteArray());
    }

    public GgufFile number(String key, float value) {
        return raw(key, ValueType.FLOAT32.ordinal(), floats(value));
    }

    public GgufFile flag(String key, boolean value) {
        return raw(key, ValueType.BOOL.ordinal(), (byte) (value ? 1 : 0));
    }

    public GgufFile strings(String key, List<String> values) {
        var bytes = new Bytes().int32(ValueType.STRING.ordinal()).int64(values.size());
        values.forEach(bytes::string);
        return raw(key, ValueType.ARRAY.ordinal(), bytes.toByteArray());
    }

    public GgufFile integers(String key, int... values) {
        var bytes = new Bytes().int32(ValueType.INT32.ordinal()).int64(values.length);
        for (var value : values) {
            bytes.int32(value);
        }
        return raw(key, ValueType.ARRAY.ordinal(), bytes.toByteArray());
    }

    public GgufFile flags(String key, List<Boolean> values) {
        var bytes = new Bytes().int32(ValueType.BOOL.ordinal()).int64(values.size());
        values.forEach(value -> bytes.write(value ? 1 : 0));
        return raw(key, ValueType.ARRAY.ordinal(), bytes.toByteArray());
    }

    public GgufFile numbers(String key, float... values) {
        var bytes = new Bytes().int32(ValueType.FLOAT32.ordinal()).int64(values.length);
        bytes.writeBytes(floats(values));
        return raw(key, ValueType.ARRAY.ordinal(), bytes.toByteArray());
    }

    /// @param value the bytes after the type, unchecked
    public GgufFile raw(String key, int valueType, byte... value) {
        pairs.add(new Pair(key, valueType, value));
        return this;
    }

    /// @param data the elements as the type stores them; padded to the alignment in the file
    /// @param shape columns first
    public GgufFile tensor(String name, TensorType type, byte[] data, long... shape) {
        tensors.add(new Declared(name, type.ggufId(), shape, OptionalLong.empty(), data));
        return this;
    }

    /// Puts other data in the place of a tensor's.
    public GgufFile replace(String name, TensorType type, byte[] data, long... shape) {
        if (!tensors.removeIf(tensor -> tensor.name().equals(name))) {
            throw new IllegalArgumentException("there is no tensor " + name);
        }
        return tensor(name, type, data, shape);
    }

    /// An F32 tensor.
    public GgufFile floats(String name, float[] values, long... shape) {
        return tensor(name, TensorType.F32, floats(values), shape);
    }

    /// Declares a tensor at an offset of the data, and writes nothing there.
    public GgufFile declare(String name, int type, long offset, long... shape) {
        tensors.add(new Declared(name, type, shape, OptionalLong.of(offset), new byte[0]));
        return this;
    }

    public byte[] bytes() {
        var bytes = header();
        bytes.pad(alignment);
        for (var tensor : tensors) {
            bytes.writeBytes(tensor.data());
            bytes.pad(alignment);
        }
        return bytes.toByteArray();
    }

    /// Bytes of the header, before padding.
    public int headerBytes() {
        return header().size();
    }

    public Path write(Path file) throws IOException {
        return Files.write(file, bytes());
    }

    /// Little-endian float32s.
    public static byte[] floats(float... values) {
        var bytes = new Bytes();
        for (var value : values) {
            bytes.int32(Float.floatToRawIntBits(value));
        }
        return bytes.toByteArray();
    }

    private Bytes header() {
        var bytes = new Bytes();
        bytes.writeBytes("GGUF".getBytes(StandardCharsets.US_ASCII));
        bytes.int32(version).int64(tensorCount.orElse(tensors.size())).int64(keyCount.orElse(pairs.size()));
        for (var pair : pairs) {
            bytes.string(pair.key()).int32(pair.type()).writeBytes(pair.value());
        }
        var next = 0L;
        for (var tensor : tensors) {
            bytes.string(tensor.name()).int32(tensor.shape().length);
            for (var size : tensor.shape()) {
                bytes.int64(size);
            }
            bytes.int32(tensor.type()).int64(tensor.offset().orElse(next));
            next += Math.ceilDiv(tensor.data().length, alignment) * (long) alignment;
        }
        return bytes;
    }

    private static final class Bytes extends ByteArrayOutputStream {
        Bytes int32(int value) {
            writeBytes(ByteBuffer.allocate(Integer.BYTES)
                    .order(ByteOrder.LITTLE_ENDIAN)
                    .putInt(value)
                    .array());
            return this;
        }

        Bytes int64(long value) {
            writeBytes(ByteBuffer.allocate(Long.BYTES)
                    .order(ByteOrder.LITTLE_ENDIAN)
                    .putLong(value)
                    .array());
            return this;
        }

        Bytes string(String value) {
            var encoded = value.getBytes(StandardCharsets.UTF_8);
            int64(encoded.length).writeBytes(encoded);
            return this;
        }

        void pad(int alignment) {
            writeBytes(new byte[Math.floorMod(-size(), alignment)]);
        }
    }
}
