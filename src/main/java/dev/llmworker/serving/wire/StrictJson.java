package dev.llmworker.serving.wire;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.StreamReadConstraints;
import com.fasterxml.jackson.core.StreamReadFeature;
import com.fasterxml.jackson.core.exc.StreamConstraintsException;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// JSON as RFC 8259 has it and nothing more: UTF-8 that is whole, no NaN, no field twice, nothing after the end, at
/// most [#MAX_DEPTH] levels.
public final class StrictJson {
    static final int MAX_DEPTH = 64;

    private static final int MAX_NUMBER_CHARACTERS = 100;
    private static final ObjectMapper MAPPER = mapper();

    private StrictJson() {}

    private static ObjectMapper mapper() {
        var constraints = StreamReadConstraints.builder()
                .maxNestingDepth(MAX_DEPTH)
                .maxNumberLength(MAX_NUMBER_CHARACTERS)
                // The size of a whole body or message is bounded before it gets here.
                .maxStringLength(Integer.MAX_VALUE)
                .build();
        var factory = JsonFactory.builder()
                .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
                .streamReadConstraints(constraints)
                .build();
        return JsonMapper.builder(factory)
                .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
                .build();
    }

    /// Sets up what the first JSON would wait 50 ms for, in code that is not compiled yet: Java's powers of ten and
    /// calendars, which classes of Jackson have constants of.
    public static void prepare() {
        Json.text(object("{}", "what is prepared"));
    }

    /// Reads one JSON object.
    ///
    /// @param what names the source in errors: `the body`
    /// @throws RequestException when it is anything else
    public static Map<?, ?> object(byte[] utf8, String what) {
        try {
            return object(
                    StandardCharsets.UTF_8
                            .newDecoder()
                            .decode(ByteBuffer.wrap(utf8))
                            .toString(),
                    what);
        } catch (CharacterCodingException _) {
            throw notJson(what + " is not valid UTF-8");
        }
    }

    /// As [#object(byte[], String)], of text.
    public static Map<?, ?> object(String text, String what) {
        if (text.isBlank()) {
            throw notJson(what + " is empty; it must be a JSON object");
        }
        try {
            var value = MAPPER.readValue(text, Object.class);
            if (value instanceof Map<?, ?> object) {
                return object;
            }
            throw notJson(what + " is " + kind(value) + "; it must be a JSON object");
        } catch (StreamConstraintsException _) {
            throw notJson(what + " has more than " + MAX_DEPTH + " levels or a number of more than "
                    + MAX_NUMBER_CHARACTERS + " digits");
        } catch (JsonProcessingException e) {
            throw notJson(what + " is not JSON: " + reason(e));
        }
    }

    // The parser's own words name its classes and options, so only the place is taken from it.
    private static String reason(JsonProcessingException e) {
        var location = e.getLocation();
        var place = location == null ? "" : " at line " + location.getLineNr() + ", column " + location.getColumnNr();
        var duplicate = e.getOriginalMessage() != null && e.getOriginalMessage().startsWith("Duplicate field");
        return (duplicate ? "a field appears twice" : "wrong or missing text") + place;
    }

    private static RequestException notJson(String message) {
        return new RequestException(JsonError.of(400, "invalid_json", message));
    }

    /// A JSON value's type, in words.
    static String kind(@Nullable Object value) {
        return switch (value) {
            case null -> "null";
            case String _ -> "a string";
            case Boolean _ -> "a boolean";
            case Number _ -> "a number";
            case List<?> _ -> "a list";
            default -> "an object";
        };
    }
}
