package dev.llmworker.serving.wire;

import com.fasterxml.jackson.core.JsonParseException;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import dev.llmworker.serving.memory.MemoryBudget;
import java.io.IOException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/// Builds the values of one JSON text, and takes what they cost from a budget while it builds them. A list or an object
/// in a field that nobody reads is checked and not built.
///
/// Threading: one thread.
final class JsonTree {
    // What these take in a 64-bit JVM, rounded up. Nested empty lists are 40 times as large as their text.
    private static final int LIST_BYTES = 64;
    private static final int ELEMENT_BYTES = 12;
    private static final int OBJECT_BYTES = 120;
    private static final int NUMBER_BYTES = 24;
    private static final int TEXT_BYTES = 56;
    // An entry of the map, and the one of the set by which the parser finds fields that come twice.
    private static final int FIELD_BYTES = 128;
    /// Costs below this are taken together.
    private static final int STEP_BYTES = 64 << 10;

    /// Stand for a list and an object that were not built. They are not empty, because a reader may reject a field by
    /// name unless it is empty.
    private static final List<?> UNREAD_LIST = List.of("…");

    private static final Map<?, ?> UNREAD_OBJECT = Map.of("…", "…");

    private final JsonParser parser;
    private final MemoryBudget.Lease memory;
    private final Predicate<String> isRead;
    private final long sentBytes;
    private long costBytes;

    /// @param sentBytes what the request holds already beside `memory`
    /// @param isRead whether the list or the object in this field of the whole is built
    JsonTree(JsonParser parser, MemoryBudget.Lease memory, long sentBytes, Predicate<String> isRead) {
        this.sentBytes = sentBytes;
        this.parser = parser;
        this.memory = memory;
        this.isRead = isRead;
    }

    /// Reads the whole text.
    ///
    /// @return null if it is the literal null, or empty
    /// @throws RequestException if the budget has no room
    @Nullable
    Object whole() throws IOException {
        var first = parser.nextToken();
        var value = first == JsonToken.START_OBJECT ? object(isRead) : value(first);
        if (parser.nextToken() != null) {
            throw new JsonParseException(parser, "text after the end");
        }
        take();
        return value;
    }

    private @Nullable Object value(@Nullable JsonToken token) throws IOException {
        return switch (token) {
            case START_OBJECT -> object(_ -> true);
            case START_ARRAY -> list();
            case VALUE_STRING -> {
                var text = parser.getText();
                cost(TEXT_BYTES + 2L * text.length());
                yield text;
            }
            case VALUE_NUMBER_INT -> {
                cost(NUMBER_BYTES + (long) parser.getTextLength());
                yield asWritten(parser.getNumberValue());
            }
            case VALUE_NUMBER_FLOAT -> {
                cost(NUMBER_BYTES + (long) parser.getTextLength());
                yield asWritten(parser.getDoubleValue());
            }
            case VALUE_TRUE -> true;
            case VALUE_FALSE -> false;
            case null, default -> null;
        };
    }

    /// A number that Java would write in another way stays as it is written.
    private Number asWritten(Number number) throws IOException {
        var text = parser.getText();
        return number.toString().equals(text) ? number : new WrittenNumber(text);
    }

    private Map<String, @Nullable Object> object(Predicate<String> isBuilt) throws IOException {
        cost(OBJECT_BYTES);
        var object = new LinkedHashMap<String, @Nullable Object>(4);
        while (parser.nextToken() == JsonToken.FIELD_NAME) {
            var name = parser.currentName();
            cost(FIELD_BYTES + 2L * name.length());
            var token = parser.nextToken();
            object.put(name, token.isStructStart() && !isBuilt.test(name) ? unread(token) : value(token));
        }
        return object;
    }

    private List<@Nullable Object> list() throws IOException {
        cost(LIST_BYTES);
        var list = new ArrayList<@Nullable Object>(1);
        for (var token = parser.nextToken(); token != JsonToken.END_ARRAY; token = parser.nextToken()) {
            cost(ELEMENT_BYTES);
            list.add(value(token));
        }
        return list;
    }

    /// Skips a list or an object. The names in it cost something until then: the parser compares them.
    private Object unread(JsonToken start) throws IOException {
        var isEmpty = true;
        var depth = 1;
        while (depth > 0) {
            var token = parser.nextToken();
            if (token.isStructEnd()) {
                depth--;
            } else {
                isEmpty = false;
                depth += token.isStructStart() ? 1 : 0;
                if (token == JsonToken.FIELD_NAME) {
                    cost(FIELD_BYTES + 2L * parser.currentName().length());
                }
            }
        }
        if (start == JsonToken.START_ARRAY) {
            return isEmpty ? List.of() : UNREAD_LIST;
        }
        return isEmpty ? Map.of() : UNREAD_OBJECT;
    }

    private void cost(long bytes) {
        costBytes += bytes;
        if (costBytes >= STEP_BYTES) {
            take();
        }
    }

    private void take() {
        if (!memory.take(costBytes)) {
            throw new RequestException(JsonError.overBudget(memory, sentBytes + costBytes));
        }
        costBytes = 0;
    }
}
