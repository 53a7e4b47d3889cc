package dev.llmworker.serving.wire;

import java.math.BigInteger;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import java.util.OptionalLong;
import org.jspecify.annotations.Nullable;

/// The fields of a JSON object, read with their types. A field that is null counts as not sent.
public record RequestFields(Map<?, ?> fields) {
    private static final int SHOWN_CHARACTERS = 40;

    /// A string that must be there, not empty, and of whole characters.
    public String text(String name) {
        var value = fields.get(name);
        if (value == null) {
            throw RequestException.invalid(name, name + " is missing; it must be a string");
        }
        if (!(value instanceof String text)) {
            throw wrong(name, value, "a string");
        }
        if (text.isEmpty()) {
            throw RequestException.invalid(name, name + " is empty; it must be at least 1 character");
        }
        return whole(name, text);
    }

    /// A string that must be of whole characters, and may be empty or not there.
    @Nullable
    public String textOrNull(String name) {
        return switch (fields.get(name)) {
            case null -> null;
            case String text -> whole(name, text);
            case Object value -> throw wrong(name, value, "a string");
        };
    }

    /// A string or a list of strings, all of whole characters.
    public List<String> texts(String name) {
        return switch (fields.get(name)) {
            case null -> List.of();
            case String text -> List.of(whole(name, text));
            case List<?> list -> {
                var texts = new ArrayList<String>(list.size());
                for (var element : list) {
                    if (!(element instanceof String text)) {
                        throw wrong(name + "[" + texts.size() + "]", element, "a string");
                    }
                    texts.add(whole(name, text));
                }
                yield texts;
            }
            case Object value -> throw wrong(name, value, "a string or a list of strings");
        };
    }

    /// An object; empty if the field is missing.
    public Map<?, ?> object(String name) {
        return switch (fields.get(name)) {
            case null -> Map.of();
            case Map<?, ?> object -> object;
            case Object value -> throw wrong(name, value, "an object");
        };
    }

    public boolean has(String name) {
        return fields.get(name) != null;
    }

    private static String whole(String name, String text) {
        var broken = brokenSurrogate(text);
        if (broken >= 0) {
            throw RequestException.invalid(
                    name, name + " has half a surrogate pair at " + broken + "; it must be valid Unicode");
        }
        return text;
    }

    public boolean flag(String name, boolean absent) {
        return switch (fields.get(name)) {
            case null -> absent;
            case Boolean value -> value;
            case Object value -> throw wrong(name, value, "true or false");
        };
    }

    float decimal(String name, float absent) {
        return switch (fields.get(name)) {
            case null -> absent;
            case Number value -> value.floatValue();
            case Object value -> throw wrong(name, value, "a number");
        };
    }

    public OptionalInt whole(String name) {
        var number = wholeLong(name);
        if (number.isEmpty()) {
            return OptionalInt.empty();
        }
        var value = number.getAsLong();
        if (value != (int) value) {
            throw wrong(name, value, "a whole number up to " + Integer.MAX_VALUE);
        }
        return OptionalInt.of((int) value);
    }

    OptionalLong wholeLong(String name) {
        return switch (fields.get(name)) {
            case null -> OptionalLong.empty();
            case Integer value -> OptionalLong.of(value);
            case Long value -> OptionalLong.of(value);
            // 50.0 is a whole number too, and some clients send it.
            case Double value
            when value == Math.rint(value) && Math.abs(value) <= 1L << 53 -> OptionalLong.of(value.longValue());
            case BigInteger value -> throw wrong(name, value, "a whole number of at most 64 bits");
            case Object value -> throw wrong(name, value, "a whole number");
        };
    }

    static RequestException wrong(String name, @Nullable Object value, String limit) {
        return RequestException.invalid(name, name + " is " + shown(value) + "; it must be " + limit);
    }

    /// A value as errors show it: shortened; of a list or an object only the type.
    private static String shown(@Nullable Object value) {
        return switch (value) {
            case String text -> '"' + shortened(text) + '"';
            case Number number -> shortened(number.toString());
            case Boolean flag -> flag.toString();
            case null, default -> StrictJson.kind(value);
        };
    }

    public static String shortened(String text) {
        return text.length() <= SHOWN_CHARACTERS ? text : text.substring(0, SHOWN_CHARACTERS) + "…";
    }

    private static int brokenSurrogate(String text) {
        for (var i = 0; i < text.length(); i++) {
            var c = text.charAt(i);
            if (Character.isHighSurrogate(c) && i + 1 < text.length() && Character.isLowSurrogate(text.charAt(i + 1))) {
                i++;
            } else if (Character.isSurrogate(c)) {
                return i;
            }
        }
        return -1;
    }
}
