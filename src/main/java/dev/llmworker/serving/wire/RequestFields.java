package dev.llmworker.serving.wire;

import dev.llmworker.sampling.ParameterException;
import dev.llmworker.text.WholeCharacters;
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

    /// An object; empty if the field is missing. Languages without types for the two write an empty one as a list.
    public Map<?, ?> object(String name) {
        return switch (fields.get(name)) {
            case null -> Map.of();
            case List<?> list when list.isEmpty() -> Map.of();
            case Map<?, ?> object -> object;
            case Object value -> throw wrong(name, value, "an object");
        };
    }

    public boolean has(String name) {
        return fields.get(name) != null;
    }

    private static String whole(String name, String text) {
        var broken = WholeCharacters.brokenAt(text, 0);
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

    public float decimal(String name, float absent) {
        return switch (fields.get(name)) {
            case null -> absent;
            case Number value -> value.floatValue();
            case Object value -> throw wrong(name, value, "a number");
        };
    }

    /// Whole numbers, at most `most` of them.
    public List<Integer> wholes(String name, int most) {
        return switch (fields.get(name)) {
            case null -> List.of();
            case List<?> list -> {
                if (list.size() > most) {
                    throw RequestException.invalid(
                            name, name + " has " + list.size() + " entries; the limit is " + most);
                }
                var numbers = new ArrayList<Integer>(list.size());
                for (var element : list) {
                    var at = name + "[" + numbers.size() + "]";
                    if (element == null) {
                        throw wrong(at, null, "a whole number");
                    }
                    numbers.add(new RequestFields(Map.of(at, element)).whole(at).orElseThrow());
                }
                yield numbers;
            }
            case Object value -> throw wrong(name, value, "a list of whole numbers");
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

    public OptionalLong wholeLong(String name) {
        return switch (fields.get(name)) {
            case null -> OptionalLong.empty();
            case Integer value -> OptionalLong.of(value);
            case Long value -> OptionalLong.of(value);
            case BigInteger value -> throw wrong(name, value, "a whole number of at most 64 bits");
            // 50.0 is a whole number too, and some clients send it.
            case Number value
            when value.doubleValue() == Math.rint(value.doubleValue()) && Math.abs(value.doubleValue()) <= 1L << 53 ->
                OptionalLong.of(value.longValue());
            case Object value -> throw wrong(name, value, "a whole number");
        };
    }

    /// What is wrong with a parameter, with its value as the client wrote it.
    public RequestException refusal(IllegalArgumentException failure) {
        if (failure instanceof ParameterException wrong
                && wrong.limit() != null
                && sent(wrong.parameter()) instanceof Number sent) {
            return wrong(wrong.parameter(), sent, String.valueOf(wrong.limit()));
        }
        return RequestException.of(failure);
    }

    /// The value of a parameter, which may be a member of a field: `logit_bias.7`.
    private @Nullable Object sent(String parameter) {
        var dot = parameter.indexOf('.');
        return dot > 0 && fields.get(parameter.substring(0, dot)) instanceof Map<?, ?> members
                ? members.get(parameter.substring(dot + 1))
                : fields.get(parameter);
    }

    public static RequestException wrong(String name, @Nullable Object value, String limit) {
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
        return text.length() <= SHOWN_CHARACTERS ? text : WholeCharacters.beginning(text, SHOWN_CHARACTERS) + "…";
    }
}
