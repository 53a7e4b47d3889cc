package dev.llmworker.weights;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonLocation;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.StreamReadConstraints;
import com.fasterxml.jackson.core.StreamReadFeature;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import dev.llmworker.weights.content.ModelFileException;
import java.io.CharConversionException;
import java.io.IOException;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;

/// A JSON file of a model, read whole and strictly: no key twice in an object, nothing after the end.
///
/// @param root an object
public record JsonFile(Path file, JsonNode root) {
    private static final int MAX_DEPTH = 64;
    private static final int MAX_SHOWN = 100;
    private static final int MAX_TEXT_BYTES = 1 << 16;

    /// For files that are parsed as a stream.
    public static final JsonFactory FACTORY = JsonFactory.builder()
            .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
            .disable(StreamReadFeature.INCLUDE_SOURCE_IN_LOCATION)
            // A vocabulary has a hundred thousand names that occur once.
            .disable(JsonFactory.Feature.CANONICALIZE_FIELD_NAMES)
            .disable(JsonFactory.Feature.INTERN_FIELD_NAMES)
            .streamReadConstraints(
                    StreamReadConstraints.builder().maxNestingDepth(MAX_DEPTH).build())
            .build();

    private static final JsonMapper MAPPER = JsonMapper.builder(FACTORY)
            .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
            .build();

    /// @throws ModelFileException if it is missing, longer than `maxBytes`, or not a JSON object
    public static JsonFile read(Path file, int maxBytes) throws IOException {
        try {
            var root = MAPPER.readTree(bytes(file, maxBytes));
            if (!root.isObject()) {
                throw new ModelFileException(file, "is not a JSON object");
            }
            return new JsonFile(file, root);
        } catch (JsonProcessingException | CharConversionException e) {
            throw notJson(file, e);
        }
    }

    /// A file that is a list of objects.
    static List<JsonNode> list(Path file, int maxBytes) throws IOException {
        try {
            var root = MAPPER.readTree(bytes(file, maxBytes));
            if (!root.isArray()) {
                throw new ModelFileException(file, "is not a JSON list");
            }
            return List.copyOf(root.valueStream().toList());
        } catch (JsonProcessingException | CharConversionException e) {
            throw notJson(file, e);
        }
    }

    /// An object that a tensor has as text.
    static JsonNode object(RawTensor text) throws ModelFileException {
        try {
            if (text.data().byteSize() <= MAX_TEXT_BYTES) {
                var root = MAPPER.readTree(text.data().toArray(ValueLayout.JAVA_BYTE));
                if (root.isObject()) {
                    return root;
                }
            }
        } catch (IOException e) {
            throw text.problem("is not valid JSON: " + reason(e));
        }
        throw text.problem("is not a JSON object of at most " + MAX_TEXT_BYTES + " bytes");
    }

    /// Like [#read], but an empty object if there is no such file.
    public static JsonFile readIfThere(Path file, int maxBytes) throws IOException {
        return Files.exists(file) ? read(file, maxBytes) : new JsonFile(file, MAPPER.createObjectNode());
    }

    /// The bytes of a file of limited length.
    public static byte[] bytes(Path file, int maxBytes) throws IOException {
        StoredModel.requireRegular(file);
        if (!Files.isReadable(file)) {
            throw new ModelFileException(file, "is not readable by this user");
        }
        try (var in = Files.newInputStream(file)) {
            var bytes = in.readNBytes(maxBytes + 1);
            if (bytes.length > maxBytes) {
                throw new ModelFileException(file, "is longer than the limit of " + maxBytes + " bytes");
            }
            return bytes;
        }
    }

    /// @param e a [JsonProcessingException], or a [CharConversionException] if Jackson takes the bytes for UTF-32
    public static ModelFileException notJson(Path file, IOException e) {
        return new ModelFileException(file, "is not valid JSON: " + reason(e));
    }

    /// The problem and its place, in one line.
    static String reason(IOException e) {
        var json = e instanceof JsonProcessingException processing ? processing : null;
        var message = String.valueOf(json == null ? e.getMessage() : json.getOriginalMessage());
        var shown = message.length() > MAX_SHOWN ? message.substring(0, MAX_SHOWN) + "…" : message;
        var at = json == null ? null : json.getLocation();
        return at == null || at.equals(JsonLocation.NA)
                ? shown
                : shown + " (line " + at.getLineNr() + ", column " + at.getColumnNr() + ")";
    }

    public boolean has(String name) {
        return root.hasNonNull(name);
    }

    public JsonNode get(String name) {
        return root.path(name);
    }

    /// @param problem what is wrong with the value of `name`
    public ModelFileException problem(String name, String problem) {
        return new ModelFileException(file, name + " " + problem);
    }
}
