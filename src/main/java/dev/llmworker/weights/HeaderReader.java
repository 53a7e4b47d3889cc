package dev.llmworker.weights;

import dev.llmworker.weights.content.Metadata;
import dev.llmworker.weights.content.ModelFileException;
import dev.llmworker.weights.content.TensorType;
import dev.llmworker.weights.content.Value;
import dev.llmworker.weights.content.ValueType;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/// Reads a GGUF file's header: counts, metadata, the list of tensors. Every read and every allocation is first
/// checked against the remaining bytes of the file. Source: `docs/gguf.md` of ggml.
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

    /// The largest header in bytes. The longest known, of models with 260,000 tokens, take 16 MiB.
    private static final long MAX_HEADER_BYTES = 64L << 20;

    private final Path file;
    private final long fileBytes;
    /// A buffer instead of the segment: a start reads 100,000 strings with code that is not compiled yet.
    private final ByteBuffer header;

    /// Receives the bytes of a string; nearly all strings are shorter.
    private final byte[] scratch = new byte[256];

    /// What is read now, for error messages.
    private String part = "the header";

    /// The part of a file before the tensors' data.
    ///
    /// @param end the first byte after the header, before padding
    record Header(Metadata metadata, List<Entry> tensors, long end) {}

    /// A tensor as the file declares it.
    ///
    /// @param shape 1 to 4 sizes, each at least 1, columns first
    /// @param offset bytes from the start of the data; unchecked
    record Entry(String name, TensorType type, long[] shape, long offset) {}

    private HeaderReader(Path file, MemorySegment mapping) {
        this.file = file;
        this.fileBytes = mapping.byteSize();
        this.header = mapping.asSlice(0, Math.min(fileBytes, MAX_HEADER_BYTES))
                .asByteBuffer()
                .order(ByteOrder.LITTLE_ENDIAN);
    }

    /// @param check comes before the tensors
    static Header read(Path file, MemorySegment mapping, StoredModel.Check check) throws ModelFileException {
        Signature.check(file, mapping);
        return new HeaderReader(file, mapping).read(check);
    }

    private Header read(StoredModel.Check check) throws ModelFileException {
        int32();
        checkVersion(int32());
        var tensorCount = count("tensors", LEAST_ENTRY_BYTES, MAX_TENSORS);
        var keyCount = count("metadata keys", LEAST_PAIR_BYTES, MAX_KEYS);
        var metadata = new Metadata(file, values(keyCount));
        check.require(metadata);
        return new Header(metadata, entries(tensorCount), header.position());
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
            part = "metadata key " + (i + 1) + " of " + count;
            var key = name(MAX_KEY_BYTES);
            if (values.containsKey(key)) {
                throw new ModelFileException(file, "metadata " + key + " occurs twice");
            }
            part = "metadata " + key;
            values.put(key, value(valueType()));
        }
        return values;
    }

    private ValueType valueType() throws ModelFileException {
        var id = int32();
        return ValueType.of(id)
                .orElseThrow(() -> failure("has unknown type " + Integer.toUnsignedString(id) + "; known: 0 to "
                        + (ValueType.values().length - 1)));
    }

    private Value value(ValueType type) throws ModelFileException {
        return switch (type) {
            case STRING -> text();
            case ARRAY -> array();
            case BOOL -> flag();
            case UINT8, INT8, UINT16, INT16, UINT32, INT32, FLOAT32, UINT64, INT64, FLOAT64 ->
                new Value.Scalar(type, heap(type.leastBytes()));
        };
    }

    private Value flag() throws ModelFileException {
        var flag = new Value.Scalar(ValueType.BOOL, heap(1));
        if (flag.integer() > 1) {
            throw failure("is a BOOL of " + flag.integer() + "; expected 0 or 1");
        }
        return flag;
    }

    private Value array() throws ModelFileException {
        var type = valueType();
        // Only the header's size limits an array: a file of many gigabytes must not declare one that memory
        // cannot hold.
        var limit = (int) (MAX_HEADER_BYTES / type.leastBytes());
        var count = count("elements of " + type, type.leastBytes(), limit);
        return switch (type) {
            case ARRAY -> throw failure("is an array of arrays; expected numbers, flags or strings in it");
            case STRING -> {
                var strings = new String[count];
                var malformedAt = -1L;
                for (var i = 0; i < count; i++) {
                    var text = text();
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
        return MemorySegment.ofArray(bytes(bytes));
    }

    private List<Entry> entries(int count) throws ModelFileException {
        var entries = new ArrayList<Entry>();
        var names = new HashSet<String>();
        for (var i = 0; i < count; i++) {
            part = "tensor " + (i + 1) + " of " + count;
            var name = name(MAX_TENSOR_NAME_BYTES);
            if (!names.add(name)) {
                throw new ModelFileException(file, "tensor " + name + " occurs twice");
            }
            part = "tensor " + name;
            var shape = shape();
            entries.add(new Entry(name, tensorType(), shape, int64()));
        }
        return entries;
    }

    private long[] shape() throws ModelFileException {
        var dimensions = int32();
        if (dimensions < 1 || dimensions > MAX_DIMENSIONS) {
            throw failure(
                    "has " + Integer.toUnsignedString(dimensions) + " dimensions; expected 1 to " + MAX_DIMENSIONS);
        }
        var shape = new long[dimensions];
        for (var i = 0; i < dimensions; i++) {
            shape[i] = int64();
            if (shape[i] < 1) {
                throw failure("has size " + Long.toUnsignedString(shape[i]) + " in dimension " + i + "; expected 1 to "
                        + Long.MAX_VALUE);
            }
        }
        return shape;
    }

    private TensorType tensorType() throws ModelFileException {
        var id = int32();
        return TensorType.of(id)
                .orElseThrow(() -> failure("is " + TensorType.nameOf(id) + "; supported: " + TensorType.supported()));
    }

    private String name(int limitBytes) throws ModelFileException {
        var start = header.position();
        var name = string();
        var bytes = header.position() - start - LEAST_STRING_BYTES;
        if (bytes < 1 || bytes > limitBytes) {
            throw failure("has a name of " + bytes + " bytes at byte " + start + "; expected 1 to " + limitBytes);
        }
        if (ModelFileException.UNPRINTABLE.matcher(name).find()) {
            throw failure("has a name with an unprintable character at byte " + start);
        }
        return name;
    }

    private int int32() throws ModelFileException {
        require(Integer.BYTES);
        return header.getInt();
    }

    /// Unsigned values above the largest long become negative.
    private long int64() throws ModelFileException {
        require(Long.BYTES);
        return header.getLong();
    }

    /// A count of things that take at least `leastBytes` each and must fit into the rest of the file.
    private int count(String things, int leastBytes, int limit) throws ModelFileException {
        var start = header.position();
        var count = int64();
        var room = Math.min(limit, (fileBytes - header.position()) / leastBytes);
        if (count < 0 || count > room) {
            var reason = room == limit
                    ? "the limit is " + limit
                    : "the file, of " + fileBytes + " bytes, has room for at most " + room;
            throw failure("has " + Long.toUnsignedString(count) + " " + things + " at byte " + start + "; " + reason);
        }
        return (int) count;
    }

    /// A length, then as many bytes of UTF-8.
    private String string() throws ModelFileException {
        var text = text();
        if (text.malformedAt() >= 0) {
            throw failure(text.problem());
        }
        return text.text();
    }

    /// Like [#string()], but whoever reads the text refuses it if it is not UTF-8: many texts are read by nobody.
    private Value.Text text() throws ModelFileException {
        var start = header.position();
        var length = int64();
        if (length < 0 || length > fileBytes - header.position()) {
            throw failure("has a string of " + Long.toUnsignedString(length) + " bytes at byte " + start
                    + "; the file ends at byte " + fileBytes);
        }
        require(length);
        var size = (int) length;
        var bytes = size <= scratch.length ? scratch : new byte[size];
        header.get(bytes, 0, size);
        var text = new String(bytes, 0, size, StandardCharsets.UTF_8);
        // Malformed bytes become U+FFFD, which encodes to other bytes.
        if (text.indexOf('\uFFFD') >= 0) {
            var encoded = text.getBytes(StandardCharsets.UTF_8);
            if (!Arrays.equals(bytes, 0, size, encoded, 0, encoded.length)) {
                return new Value.Text(text, start);
            }
        }
        return new Value.Text(text);
    }

    /// A copy of the next bytes.
    private byte[] bytes(long count) throws ModelFileException {
        require(count);
        var bytes = new byte[(int) count];
        header.get(bytes);
        return bytes;
    }

    /// @param problem what is wrong with the current part
    private ModelFileException failure(String problem) {
        return new ModelFileException(file, part + " " + problem);
    }

    private void require(long bytes) throws ModelFileException {
        if (bytes <= header.remaining()) {
            return;
        }
        var end = header.position() + bytes;
        if (end > fileBytes) {
            throw new ModelFileException(
                    file,
                    "is truncated: it ends at byte " + fileBytes + ", and " + part + " needs bytes " + header.position()
                            + " to " + end);
        }
        throw failure("reaches to byte " + end + "; the limit of a header is " + MAX_HEADER_BYTES + " bytes");
    }
}
