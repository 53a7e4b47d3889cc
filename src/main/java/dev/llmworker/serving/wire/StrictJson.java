package dev.llmworker.serving.wire;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParseException;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.core.StreamReadConstraints;
import com.fasterxml.jackson.core.StreamReadFeature;
import com.fasterxml.jackson.core.exc.StreamConstraintsException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// JSON as RFC 8259 has it and nothing more: UTF-8 that is whole, no NaN, no field twice, nothing after the end, at
/// most [#MAX_DEPTH] levels.
public final class StrictJson {
    static final int MAX_DEPTH = 64;

    private static final int MAX_NUMBER_CHARACTERS = 100;
    private static final String BYTE_ORDER_MARK = "\uFEFF";
    private static final JsonFactory FACTORY = factory();

    private StrictJson() {}

    private static JsonFactory factory() {
        var constraints = StreamReadConstraints.builder()
                .maxNestingDepth(MAX_DEPTH)
                .maxNumberLength(MAX_NUMBER_CHARACTERS)
                // The size of a whole body or message is bounded before it gets here.
                .maxStringLength(Integer.MAX_VALUE)
                .build();
        return JsonFactory.builder()
                .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
                .streamReadConstraints(constraints)
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

    /// As [#object(byte[], String)], of text. One leading byte order mark, as some clients write it, is skipped.
    public static Map<?, ?> object(String sent, String what) {
        var text = sent.startsWith(BYTE_ORDER_MARK) ? sent.substring(BYTE_ORDER_MARK.length()) : sent;
        if (text.isBlank()) {
            throw notJson(what + " is empty; it must be a JSON object");
        }
        try (var parser = FACTORY.createParser(text)) {
            parser.nextToken();
            var value = value(parser);
            if (parser.nextToken() != null) {
                throw new JsonParseException(parser, "text after the end");
            }
            if (value instanceof Map<?, ?> object) {
                return object;
            }
            throw notJson(what + " is " + kind(value) + "; it must be a JSON object");
        } catch (StreamConstraintsException _) {
            throw notJson(what + " has more than " + MAX_DEPTH + " levels or a number of more than "
                    + MAX_NUMBER_CHARACTERS + " digits");
        } catch (JsonProcessingException e) {
            throw notJson(what + " is not JSON: " + reason(e));
        } catch (IOException e) {
            throw new IllegalStateException("a text cannot be read", e);
        }
    }

    /// The value that begins at the parser's token. A number that Java would write in another way stays as it is
    /// written.
    private static @Nullable Object value(JsonParser parser) throws IOException {
        return switch (parser.currentToken()) {
            case START_OBJECT -> {
                var object = new LinkedHashMap<String, @Nullable Object>();
                for (var name = parser.nextFieldName(); name != null; name = parser.nextFieldName()) {
                    parser.nextToken();
                    object.put(name, value(parser));
                }
                yield object;
            }
            case START_ARRAY -> {
                var list = new ArrayList<@Nullable Object>();
                while (parser.nextToken() != JsonToken.END_ARRAY) {
                    list.add(value(parser));
                }
                yield list;
            }
            case VALUE_STRING -> parser.getText();
            case VALUE_NUMBER_INT -> asWritten(parser.getNumberValue(), parser.getText());
            case VALUE_NUMBER_FLOAT -> asWritten(parser.getDoubleValue(), parser.getText());
            case VALUE_TRUE -> true;
            case VALUE_FALSE -> false;
            case VALUE_NULL -> null;
            case null, default -> throw new JsonParseException(parser, "no value");
        };
    }

    private static Number asWritten(Number number, String text) {
        return number.toString().equals(text) ? number : new WrittenNumber(text);
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
