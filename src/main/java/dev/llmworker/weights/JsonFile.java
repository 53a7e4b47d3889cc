package dev.llmworker.weights;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonLocation;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.StreamReadConstraints;
import com.fasterxml.jackson.core.StreamReadFeature;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.io.CharConversionException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/// A JSON file of a model, read whole and strictly: no key twice in an object, nothing after the end.
///
/// @param root an object
public record JsonFile(Path file, JsonNode root) {
    private static final int MAX_DEPTH = 64;
    private static final int MAX_SHOWN = 100;

    /// For files that are read piece by piece.
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

    /// @throws ModelFileException when it is missing, longer than `maxBytes`, or no JSON object
    public static JsonFile read(Path file, int maxBytes) throws IOException {
        try {
            var root = MAPPER.readTree(bytes(file, maxBytes));
            if (!root.isObject()) {
                throw new ModelFileException(file, "is no JSON object");
            }
            return new JsonFile(file, root);
        } catch (JsonProcessingException | CharConversionException e) {
            throw notJson(file, e);
        }
    }

    /// As [#read], an empty object where there is no such file.
    public static JsonFile readIfThere(Path file, int maxBytes) throws IOException {
        return Files.exists(file) ? read(file, maxBytes) : new JsonFile(file, MAPPER.createObjectNode());
    }

    /// The bytes of a file whose length is limited.
    public static byte[] bytes(Path file, int maxBytes) throws IOException {
        MappedFile.requireRegular(file);
        if (!Files.isReadable(file)) {
            throw new ModelFileException(file, "may not be read by this user");
        }
        try (var in = Files.newInputStream(file)) {
            var bytes = in.readNBytes(maxBytes + 1);
            if (bytes.length > maxBytes) {
                throw new ModelFileException(file, "is longer than the limit of " + maxBytes + " bytes");
            }
            return bytes;
        }
    }

    /// @param e a [JsonProcessingException], or the [CharConversionException] of bytes that Jackson takes for UTF-32
    public static ModelFileException notJson(Path file, IOException e) {
        return new ModelFileException(file, "is not sound JSON: " + reason(e));
    }

    /// What is wrong and where, in one line.
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
