package dev.llmworker.weights;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.llmworker.weights.content.TensorType;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;

/// Writes small safetensors files for tests: sound ones, and by `header` also ones that no writer makes.
public final class SafetensorsFile {
    private static final ObjectMapper JSON = new ObjectMapper();

    private final Map<String, Object> header = new LinkedHashMap<>();
    private final ByteArrayOutputStream data = new ByteArrayOutputStream();

    /// @param type F32, F16 or BF16; values are rounded to it, the nearest even one where two are as near
    /// @param shape rows first
    public SafetensorsFile tensor(String name, TensorType type, float[] values, long... shape) {
        var start = data.size();
        data.writeBytes(encoded(type, values));
        return declare(name, type.name(), List.of(start, data.size()), shape);
    }

    /// A tensor of bytes.
    public SafetensorsFile bytes(String name, byte[] bytes, long... shape) {
        return raw(name, "U8", bytes, shape);
    }

    /// A tensor of any type.
    public SafetensorsFile raw(String name, String type, byte[] bytes, long... shape) {
        var start = data.size();
        data.writeBytes(bytes);
        return declare(name, type, List.of(start, data.size()), shape);
    }

    public SafetensorsFile rename(String from, String to) {
        header.put(to, Objects.requireNonNull(header.remove(from), from));
        return this;
    }

    /// Declares a tensor, and writes nothing for it.
    public SafetensorsFile declare(String name, String type, List<?> offsets, long... shape) {
        var fields = new LinkedHashMap<String, Object>();
        fields.put("dtype", type);
        fields.put("shape", shape);
        fields.put("data_offsets", offsets);
        header.put(name, fields);
        return this;
    }

    public int dataBytes() {
        return data.size();
    }

    /// Data of a tensor that is only declared.
    public SafetensorsFile append(byte... bytes) {
        data.writeBytes(bytes);
        return this;
    }

    public SafetensorsFile metadata(Map<String, String> metadata) {
        header.put("__metadata__", metadata);
        return this;
    }

    public byte[] bytes() {
        try {
            return bytes(JSON.writeValueAsString(header), data.toByteArray());
        } catch (JsonProcessingException e) {
            throw new IllegalStateException(e);
        }
    }

    /// What a tensor of text has.
    static byte[] text(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    /// The place of a tensor's data in the file.
    int placeOf(String name) {
        var offsets = (List<?>) Objects.requireNonNull((Map<?, ?>) Objects.requireNonNull(header.get(name)))
                .get("data_offsets");
        return bytes().length
                - data.size()
                + (int) Objects.requireNonNull(offsets).getFirst();
    }

    /// A file with any header.
    public static byte[] bytes(String header, byte... data) {
        var json = header.getBytes(StandardCharsets.UTF_8);
        return ByteBuffer.allocate(Long.BYTES + json.length + data.length)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putLong(json.length)
                .put(json)
                .put(data)
                .array();
    }

    public Path write(Path file) throws IOException {
        return Files.write(file, bytes());
    }

    private static byte[] encoded(TensorType type, float[] values) {
        var bytes = ByteBuffer.allocate(values.length * type.blockBytes()).order(ByteOrder.LITTLE_ENDIAN);
        for (var value : values) {
            switch (type) {
                case F32 -> bytes.putFloat(value);
                case F16 -> bytes.putShort(Float.floatToFloat16(value));
                case BF16 -> {
                    var bits = Float.floatToRawIntBits(value);
                    bytes.putShort((short) (bits + 0x7FFF + (bits >>> 16 & 1) >>> 16));
                }
                default -> throw new IllegalArgumentException("safetensors has no " + type);
            }
        }
        return bytes.array();
    }
}
