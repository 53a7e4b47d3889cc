package dev.llmworker.serving.wire;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParseException;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.core.StreamReadConstraints;
import com.fasterxml.jackson.core.StreamReadFeature;
import com.fasterxml.jackson.core.exc.StreamConstraintsException;
import dev.llmworker.files.TextFile;
import dev.llmworker.serving.memory.MemoryBudget;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/// JSON as RFC 8259 has it and nothing more: UTF-8 that is whole, no NaN, no field twice, nothing after the end, at
/// most [#MAX_DEPTH] levels.
public final class StrictJson {
    static final int MAX_DEPTH = 64;

    private static final int MAX_NUMBER_CHARACTERS = 100;
    /// How often the text of a request is in memory while it is parsed: bytes, decoded, and the parser's own.
    private static final long COPIES = 4;
    /// How much of the budget a text holds for each of its characters, from when it is read.
    private static final long SENT_BYTES = 2;
    private static final MemoryBudget UNLIMITED = MemoryBudget.unlimited();
    private static final JsonFactory FACTORY = factory();

    private StrictJson() {}

    private static JsonFactory factory() {
        var constraints = StreamReadConstraints.builder()
                .maxNestingDepth(MAX_DEPTH)
                .maxNumberLength(MAX_NUMBER_CHARACTERS)
                // The size of a whole body or message is bounded before it gets here.
                .maxStringLength(Integer.MAX_VALUE)
                .maxNameLength(Integer.MAX_VALUE)
                .build();
        return JsonFactory.builder()
                .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
                // The names are the client's: the JVM must not keep them.
                .disable(JsonFactory.Feature.INTERN_FIELD_NAMES)
                .streamReadConstraints(constraints)
                .build();
    }

    /// Sets up what the first JSON would wait 50 ms for, in code that is not compiled yet: Java's powers of ten and
    /// calendars, which classes of Jackson have constants of.
    public static void prepare() {
        Json.text(object("{}", "what is prepared"));
    }

    /// Reads one JSON object that is not a request's: its memory is not counted.
    ///
    /// @param what names the source in errors: `the answer`
    /// @throws RequestException when it is anything else
    public static Map<?, ?> object(String text, String what) {
        try (var memory = UNLIMITED.lease()) {
            return object(text, what, memory, _ -> true);
        }
    }

    /// Checks that a text within a request is one JSON object. Nothing is built of it, because its memory is not
    /// counted.
    ///
    /// @param what names the text in errors
    /// @throws RequestException when it is anything else
    public static void checkObject(String text, String what) {
        var first = check(text, what);
        if (first != JsonToken.START_OBJECT) {
            throw notJson(what + " is " + kind(first) + "; it must be a JSON object");
        }
    }

    /// As [#checkObject], of any JSON.
    ///
    /// @return its first token
    public static JsonToken check(String text, String what) {
        var begun = parse(text, what, parser -> {
            var first = parser.nextToken();
            if (first == null) {
                throw new JsonParseException(parser, "no text");
            }
            parser.skipChildren();
            if (parser.nextToken() != null) {
                throw new JsonParseException(parser, "text after the end");
            }
            return first;
        });
        return (JsonToken) Objects.requireNonNull(begun);
    }

    private static String kind(JsonToken first) {
        return switch (first) {
            case START_OBJECT -> "an object";
            case START_ARRAY -> "a list";
            case VALUE_STRING -> "a string";
            case VALUE_TRUE, VALUE_FALSE -> "a boolean";
            case VALUE_NULL -> "null";
            default -> "a number";
        };
    }

    /// Reads one JSON object of a request.
    ///
    /// @param what names the source in errors: `the body`
    /// @param memory takes what the object costs, and what parsing costs; the caller closes it
    /// @param isRead whether somebody reads a list or an object in this field; if not, it is not built
    /// @throws RequestException when it is anything else, or does not fit into the budget
    public static Map<?, ?> object(byte[] utf8, String what, MemoryBudget.Lease memory, Predicate<String> isRead) {
        try {
            return object(
                    StandardCharsets.UTF_8
                            .newDecoder()
                            .decode(ByteBuffer.wrap(utf8))
                            .toString(),
                    what,
                    memory,
                    isRead);
        } catch (CharacterCodingException _) {
            throw notJson(what + " is not valid UTF-8");
        }
    }

    /// As [#object(byte[], String, MemoryBudget.Lease, Predicate)], of text. One leading byte order mark, as some
    /// clients write it, is skipped.
    public static Map<?, ?> object(String sent, String what, MemoryBudget.Lease memory, Predicate<String> isRead) {
        var text = TextFile.withoutMark(sent);
        if (text.isBlank()) {
            throw notJson(what + " is empty; it must be a JSON object");
        }
        var sentBytes = SENT_BYTES * text.length();
        var copiesBytes = COPIES * text.length();
        if (!memory.take(copiesBytes)) {
            throw new RequestException(JsonError.overBudget(memory, sentBytes + copiesBytes));
        }
        var value = parse(text, what, parser -> new JsonTree(parser, memory, sentBytes, isRead).whole());
        if (value instanceof Map<?, ?> object) {
            return object;
        }
        throw notJson(what + " is " + kind(value) + "; it must be a JSON object");
    }

    private interface Reader {
        @Nullable
        Object read(JsonParser parser) throws IOException;
    }

    private static @Nullable Object parse(String text, String what, Reader reader) {
        try (var parser = FACTORY.createParser(text)) {
            return reader.read(parser);
        } catch (StreamConstraintsException _) {
            throw notJson(what + " has more than " + MAX_DEPTH + " levels or a number of more than "
                    + MAX_NUMBER_CHARACTERS + " digits");
        } catch (JsonProcessingException e) {
            throw notJson(what + " is not JSON: " + reason(e));
        } catch (IOException e) {
            throw new IllegalStateException("a text cannot be read", e);
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
