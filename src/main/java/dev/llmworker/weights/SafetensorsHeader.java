package dev.llmworker.weights;

import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.databind.util.ByteBufferBackedInputStream;
import java.io.CharConversionException;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/// Reads a safetensors file's header: its length in 8 bytes, then a JSON object with the type, shape and offsets
/// of each tensor. Source: the README of huggingface/safetensors.
final class SafetensorsHeader {
    /// A tensor as the file declares it.
    ///
    /// @param type empty if it is not supported
    /// @param typeName the type's name in the file
    /// @param shape 0 to 4 sizes, each at least 1, rows first
    /// @param begin the first byte of its data, from the start of all data; unchecked
    record Entry(String name, Optional<TensorType> type, String typeName, List<Long> shape, long begin, long end) {}

    /// @param tensors in file order, with distinct names
    /// @param dataStart the first byte after the header
    record Header(List<Entry> tensors, long dataStart) {}

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
    private final JsonParser json;
    private String part = "the header";

    private SafetensorsHeader(Path file, JsonParser json) {
        this.file = file;
        this.json = json;
    }

    static Header read(Path file, MemorySegment mapping) throws IOException {
        var bytes = length(file, mapping);
        var buffer = mapping.asSlice(LENGTH_BYTES, bytes).asByteBuffer();
        try (var json = JsonFile.FACTORY.createParser(new ByteBufferBackedInputStream(buffer))) {
            return new Header(new SafetensorsHeader(file, json).entries(), LENGTH_BYTES + bytes);
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
}
