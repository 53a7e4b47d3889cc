package dev.llmworker.weights;

import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/// Reads a GGUF file's header: counts, metadata, the list of tensors. Source: `docs/gguf.md` of ggml.
final class HeaderReader {
    private static final int MAX_KEYS = 65_536;
    private static final int MAX_TENSORS = 65_536;
    /// GGUF allows 65,535. Real keys are below 100 bytes, and messages show them.
    private static final int MAX_KEY_BYTES = 256;
    /// The same limit as ggml's.
    private static final int MAX_TENSOR_NAME_BYTES = 64;

    private static final int MAX_DIMENSIONS = 4;
    private static final int LEAST_STRING_BYTES = Long.BYTES;
    /// Length and one character of the key, type and one byte of the value.
    private static final int LEAST_PAIR_BYTES = LEAST_STRING_BYTES + 1 + Integer.BYTES + 1;
    /// Length and one character of the name, number of dimensions, one dimension, type, offset.
    private static final int LEAST_ENTRY_BYTES =
            LEAST_STRING_BYTES + 1 + Integer.BYTES + Long.BYTES + Integer.BYTES + Long.BYTES;

    private final Path file;
    private final Cursor cursor;

    private HeaderReader(Path file, MemorySegment mapping) {
        this.file = file;
        this.cursor = new Cursor(file, mapping);
    }

    static Header read(Path file, MemorySegment mapping) throws ModelFileException {
        Signature.check(file, mapping);
        return new HeaderReader(file, mapping).read();
    }

    private Header read() throws ModelFileException {
        cursor.int32();
        checkVersion(cursor.int32());
        var tensorCount = cursor.count("tensors", LEAST_ENTRY_BYTES, MAX_TENSORS);
        var keyCount = cursor.count("metadata keys", LEAST_PAIR_BYTES, MAX_KEYS);
        var metadata = new Metadata(file, values(keyCount));
        return new Header(metadata, entries(tensorCount), cursor.offset());
    }

    private void checkVersion(int version) throws ModelFileException {
        var swapped = Integer.reverseBytes(version);
        if (swapped == 2 || swapped == 3) {
            throw new ModelFileException(file, "is a big-endian GGUF file; only little-endian ones are supported");
        }
        if (version != 2 && version != 3) {
            throw new ModelFileException(
                    file, "is GGUF version " + Integer.toUnsignedString(version) + "; supported: 2, 3");
        }
    }

    private Map<String, Value> values(int count) throws ModelFileException {
        var values = new LinkedHashMap<String, Value>();
        for (var i = 0; i < count; i++) {
            cursor.enter("metadata key " + (i + 1) + " of " + count);
            var key = name(MAX_KEY_BYTES);
            if (values.containsKey(key)) {
                throw new ModelFileException(file, "metadata " + key + " occurs twice");
            }
            cursor.enter("metadata " + key);
            values.put(key, value(valueType()));
        }
        return values;
    }

    private ValueType valueType() throws ModelFileException {
        var id = cursor.int32();
        return ValueType.of(id)
                .orElseThrow(() -> cursor.failure("has unknown type " + Integer.toUnsignedString(id) + "; known: 0 to "
                        + (ValueType.values().length - 1)));
    }

    private Value value(ValueType type) throws ModelFileException {
        return switch (type) {
            case STRING -> cursor.text();
            case ARRAY -> array();
            case BOOL -> flag();
            case UINT8, INT8, UINT16, INT16, UINT32, INT32, FLOAT32, UINT64, INT64, FLOAT64 ->
                new Value.Scalar(type, heap(type.leastBytes()));
        };
    }

    private Value flag() throws ModelFileException {
        var flag = new Value.Scalar(ValueType.BOOL, heap(1));
        if (flag.integer() > 1) {
            throw cursor.failure("is a BOOL of " + flag.integer() + "; expected 0 or 1");
        }
        return flag;
    }

    private Value array() throws ModelFileException {
        var type = valueType();
        // Only the header's size limits an array: a file of many gigabytes must not declare one that memory
        // cannot hold.
        var limit = (int) (Cursor.MAX_HEADER_BYTES / type.leastBytes());
        var count = cursor.count("elements of " + type, type.leastBytes(), limit);
        return switch (type) {
            case ARRAY -> throw cursor.failure("is an array of arrays; expected numbers, flags or strings in it");
            case STRING -> {
                var strings = new String[count];
                var malformedAt = -1L;
                for (var i = 0; i < count; i++) {
                    var text = cursor.text();
                    strings[i] = text.text();
                    malformedAt = malformedAt < 0 ? text.malformedAt() : malformedAt;
                }
                yield new Value.Texts(Collections.unmodifiableList(Arrays.asList(strings)), malformedAt);
            }
            case UINT8, INT8, UINT16, INT16, UINT32, INT32, FLOAT32, BOOL, UINT64, INT64, FLOAT64 ->
                new Value.Scalars(type, heap((long) count * type.leastBytes()));
        };
    }

    private MemorySegment heap(long bytes) throws ModelFileException {
        return MemorySegment.ofArray(cursor.bytes(bytes));
    }

    private List<Header.Entry> entries(int count) throws ModelFileException {
        var entries = new ArrayList<Header.Entry>();
        var names = new HashSet<String>();
        for (var i = 0; i < count; i++) {
            cursor.enter("tensor " + (i + 1) + " of " + count);
            var name = name(MAX_TENSOR_NAME_BYTES);
            if (!names.add(name)) {
                throw new ModelFileException(file, "tensor " + name + " occurs twice");
            }
            cursor.enter("tensor " + name);
            var shape = shape();
            entries.add(new Header.Entry(name, tensorType(), shape, cursor.int64()));
        }
        return entries;
    }

    private long[] shape() throws ModelFileException {
        var dimensions = cursor.int32();
        if (dimensions < 1 || dimensions > MAX_DIMENSIONS) {
            throw cursor.failure(
                    "has " + Integer.toUnsignedString(dimensions) + " dimensions; expected 1 to " + MAX_DIMENSIONS);
        }
        var shape = new long[dimensions];
        for (var i = 0; i < dimensions; i++) {
            shape[i] = cursor.int64();
            if (shape[i] < 1) {
                throw cursor.failure("has size " + Long.toUnsignedString(shape[i]) + " in dimension " + i
                        + "; expected 1 to " + Long.MAX_VALUE);
            }
        }
        return shape;
    }

    private TensorType tensorType() throws ModelFileException {
        var id = cursor.int32();
        return TensorType.of(id)
                .orElseThrow(
                        () -> cursor.failure("is " + TensorType.nameOf(id) + "; supported: " + TensorType.supported()));
    }

    private String name(int limitBytes) throws ModelFileException {
        var start = cursor.offset();
        var name = cursor.string();
        var bytes = cursor.offset() - start - LEAST_STRING_BYTES;
        if (bytes < 1 || bytes > limitBytes) {
            throw cursor.failure(
                    "has a name of " + bytes + " bytes at byte " + start + "; expected 1 to " + limitBytes);
        }
        if (ModelFileException.UNPRINTABLE.matcher(name).find()) {
            throw cursor.failure("has a name with an unprintable character at byte " + start);
        }
        return name;
    }
}
