package dev.llmworker.weights;

import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.databind.util.ByteBufferBackedInputStream;
import dev.llmworker.weights.content.ModelFileException;
import dev.llmworker.weights.content.Tensor;
import dev.llmworker.weights.content.TensorType;
import dev.llmworker.weights.content.ValueType;
import java.io.CharConversionException;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Predicate;
import java.util.stream.Stream;

/// A mapped safetensors file. Its header is a length in 8 bytes, then a JSON object with the type, shape and
/// offsets of each tensor. The format requires the tensors' data back to back from the first byte to the last,
/// so nothing can overlap or be hidden. Source: the README of huggingface/safetensors.
final class SafetensorsShard {
    /// A tensor as the file declares it.
    ///
    /// @param type empty if it is not supported
    /// @param typeName the type's name in the file
    /// @param shape 0 to 4 sizes, each at least 1, rows first
    /// @param begin the first byte of its data, from the start of all data; unchecked
    record Entry(String name, Optional<TensorType> type, String typeName, List<Long> shape, long begin, long end) {}

    static final int LENGTH_BYTES = Long.BYTES;
    /// The longest known headers have about 100 KB.
    static final int MAX_BYTES = 16 << 20;

    private static final int MAX_TENSORS = 65_536;
    private static final int MAX_NAME_CHARACTERS = 256;
    private static final int MAX_DIMENSIONS = 4;
    private static final String METADATA = "__metadata__";
    private static final Map<String, TensorType> TYPES =
            Map.of("F32", TensorType.F32, "F16", TensorType.F16, "BF16", TensorType.BF16);

    private final Path file;
    private final MemorySegment data;
    private final JsonParser json;
    /// In file order, with distinct names.
    private final List<Entry> entries;

    private String part = "the header";

    private SafetensorsShard(Path file, MemorySegment data, JsonParser json) throws IOException {
        this.file = file;
        this.data = data;
        this.json = json;
        entries = entries();
    }

    static SafetensorsShard read(Path file, MemorySegment mapping) throws IOException {
        var bytes = length(file, mapping);
        var buffer = mapping.asSlice(LENGTH_BYTES, bytes).asByteBuffer();
        try (var json = JsonFile.FACTORY.createParser(new ByteBufferBackedInputStream(buffer))) {
            return new SafetensorsShard(file, mapping.asSlice(LENGTH_BYTES + bytes), json);
        } catch (JsonProcessingException | CharConversionException e) {
            throw new ModelFileException(file, "the header is not valid JSON: " + JsonFile.reason(e));
        }
    }

    private static long length(Path file, MemorySegment mapping) throws ModelFileException {
        if (mapping.byteSize() < LENGTH_BYTES + 2) {
            throw new ModelFileException(
                    file,
                    "is not a safetensors file: it has " + mapping.byteSize() + " bytes, and the shortest header takes "
                            + (LENGTH_BYTES + 2));
        }
        Signature.refuseForSafetensors(file, mapping);
        var length = mapping.get(ValueType.LONG, 0);
        var room = mapping.byteSize() - LENGTH_BYTES;
        if (length < 2 || length > room || length > MAX_BYTES) {
            throw new ModelFileException(
                    file,
                    "has a header of " + Long.toUnsignedString(length) + " bytes; the file has room for " + room
                            + ", and the limit is " + MAX_BYTES);
        }
        if (mapping.get(ValueLayout.JAVA_BYTE, LENGTH_BYTES) != '{') {
            throw new ModelFileException(file, "is not a safetensors file: its header does not begin with {");
        }
        return length;
    }

    private List<Entry> entries() throws IOException {
        var entries = new ArrayList<Entry>();
        expect(json.nextToken(), JsonToken.START_OBJECT, "an object");
        while (json.nextToken() == JsonToken.FIELD_NAME) {
            var name = json.currentName();
            if (name.equals(METADATA)) {
                part = METADATA;
                expect(json.nextToken(), JsonToken.START_OBJECT, "an object");
                json.skipChildren();
            } else if (entries.size() == MAX_TENSORS) {
                throw new ModelFileException(file, "has more than " + MAX_TENSORS + " tensors");
            } else {
                checkName(name);
                part = "tensor " + name;
                entries.add(entry(name));
            }
        }
        part = "the header";
        if (json.nextToken() != null) {
            throw failure("has data after its end");
        }
        return entries;
    }

    private void checkName(String name) throws ModelFileException {
        if (name.isEmpty() || name.length() > MAX_NAME_CHARACTERS) {
            throw new ModelFileException(
                    file,
                    "has a tensor with a name of " + name.length() + " characters; expected 1 to "
                            + MAX_NAME_CHARACTERS);
        }
        if (ModelFileException.UNPRINTABLE.matcher(name).find()) {
            throw new ModelFileException(file, "has a tensor with an unprintable character in its name " + name);
        }
    }

    private Entry entry(String name) throws IOException {
        String type = null;
        List<Long> shape = null;
        List<Long> offsets = null;
        expect(json.nextToken(), JsonToken.START_OBJECT, "an object");
        while (json.nextToken() == JsonToken.FIELD_NAME) {
            var key = json.currentName();
            var value = json.nextToken();
            switch (key) {
                case "dtype" -> {
                    expect(value, JsonToken.VALUE_STRING, "dtype to be text");
                    type = json.getText();
                }
                case "shape" -> shape = wholeNumbers(value, "shape", 1, MAX_DIMENSIONS);
                case "data_offsets" -> offsets = wholeNumbers(value, "data_offsets", 0, 2);
                default -> json.skipChildren();
            }
        }
        if (type == null || shape == null || offsets == null || offsets.size() != 2) {
            throw failure("lacks dtype, shape or two data_offsets");
        }
        return new Entry(name, Optional.ofNullable(TYPES.get(type)), type, shape, offsets.get(0), offsets.get(1));
    }

    private List<Long> wholeNumbers(JsonToken token, String what, long least, int limit) throws IOException {
        expect(token, JsonToken.START_ARRAY, what + " to be an array");
        var numbers = new ArrayList<Long>();
        while (json.nextToken() != JsonToken.END_ARRAY) {
            expect(json.currentToken(), JsonToken.VALUE_NUMBER_INT, what + " to hold whole numbers");
            if (numbers.size() == limit) {
                throw failure("has more than " + limit + " numbers in " + what);
            }
            // Jackson rejects numbers that do not fit into a long.
            var number = json.getLongValue();
            if (number < least) {
                throw failure("has " + number + " in " + what + "; expected " + least + " or more");
            }
            numbers.add(number);
        }
        return numbers;
    }

    private void expect(JsonToken found, JsonToken wanted, String description) throws ModelFileException {
        if (found != wanted) {
            throw failure("has " + found + "; expected " + description);
        }
    }

    private ModelFileException failure(String problem) {
        return new ModelFileException(file, part + " " + problem);
    }

    Stream<String> names() {
        return entries.stream().map(Entry::name);
    }

    /// The tensors by their names in the file, in file order. A tensor of an unsupported type is left out if
    /// `ignored` has its name, and rejected otherwise.
    ///
    /// @param raw gets those of [RawTensor]'s types
    Map<String, Tensor> tensors(Predicate<String> ignored, Map<String, RawTensor> raw) throws ModelFileException {
        checkPlaces();
        var tensors = new LinkedHashMap<String, Tensor>();
        for (var entry : entries) {
            if (ignored.test(entry.name())) {
                continue;
            }
            var bytes = RawTensor.BYTES.get(entry.typeName());
            if (bytes != null && !SplitBlocks.isHalf(entry)) {
                var own = data(entry, bytes(entry, bytes), entry.typeName());
                raw.put(entry.name(), new RawTensor(file, entry.name(), entry.typeName(), entry.shape(), own));
            } else {
                tensors.put(entry.name(), tensor(entry));
            }
        }
        return tensors;
    }

    private void checkPlaces() throws ModelFileException {
        var sorted = new ArrayList<>(entries);
        sorted.sort(Comparator.comparingLong(Entry::begin).thenComparingLong(Entry::end));
        var end = 0L;
        for (var entry : sorted) {
            if (entry.end() < entry.begin() || entry.end() > data.byteSize()) {
                throw failure(
                        entry,
                        "takes bytes " + entry.begin() + " to " + entry.end() + " of the data, which has "
                                + data.byteSize() + (entry.end() > data.byteSize() ? ": the file is truncated" : ""));
            }
            if (entry.begin() != end) {
                throw failure(
                        entry,
                        "starts at byte " + entry.begin() + " of the data; the tensor before it ends at byte " + end);
            }
            end = entry.end();
        }
        if (end != data.byteSize()) {
            throw new ModelFileException(file, "has " + data.byteSize() + " bytes of data; its tensors take " + end);
        }
    }

    private Tensor tensor(Entry entry) throws ModelFileException {
        if (SplitBlocks.isHalf(entry)) {
            var own = data(entry, bytes(entry, 1), entry.typeName());
            return SplitBlocks.half(file, entry, columnsFirst(entry.shape()), own);
        }
        var type = entry.type()
                .orElseThrow(() -> failure(entry, "is " + entry.typeName() + "; supported: F32, F16, BF16"));
        var own = data(entry, bytes(entry, type.blockBytes()), type.name());
        return new Tensor(file, entry.name(), type, columnsFirst(entry.shape()), own);
    }

    private MemorySegment data(Entry entry, long bytes, String type) throws ModelFileException {
        if (bytes != entry.end() - entry.begin()) {
            throw failure(
                    entry,
                    "has " + (entry.end() - entry.begin()) + " bytes; " + type + " of shape " + entry.shape()
                            + " takes " + bytes);
        }
        return data.asSlice(entry.begin(), bytes);
    }

    private long bytes(Entry entry, long elementBytes) throws ModelFileException {
        try {
            return entry.shape().stream().reduce(elementBytes, Math::multiplyExact);
        } catch (ArithmeticException _) {
            throw failure(
                    entry,
                    "of shape " + entry.shape() + " takes more than " + Long.MAX_VALUE + " bytes; the file has "
                            + data.byteSize());
        }
    }

    /// A single number becomes a vector with one element.
    private static long[] columnsFirst(List<Long> rowsFirst) {
        return rowsFirst.isEmpty()
                ? new long[] {1}
                : rowsFirst.reversed().stream().mapToLong(Long::longValue).toArray();
    }

    private ModelFileException failure(Entry entry, String problem) {
        return new ModelFileException(file, "tensor " + entry.name() + " " + problem);
    }
}
