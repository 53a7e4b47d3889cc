package dev.llmworker.serving.wire;

import java.util.Map;
import org.jspecify.annotations.Nullable;

/// The id by which a client tells the answers on one WebSocket apart: a string or a number, which comes back on each
/// frame character by character.
public final class FrameId {
    private static final String FIELD = "id";
    private static final int MAX_CHARACTERS = 128;

    private FrameId() {}

    /// The id of a request as JSON; null if it has none.
    ///
    /// @throws RequestException when it is anything else, or too long
    public static @Nullable String of(RequestFields fields) {
        var value = fields.fields().get(FIELD);
        return value == null ? null : json(FIELD, value);
    }

    /// @param name of the field, for errors
    public static String json(String name, Object value) {
        return switch (value) {
            // A route may have put a number there that JSON has no form for.
            case Double number
            when !Double.isFinite(number) -> throw RequestFields.wrong(name, value, "a string or a number");
            case Number number -> number.toString();
            case String _ -> {
                var text = new RequestFields(Map.of(name, value)).text(name);
                if (text.length() > MAX_CHARACTERS) {
                    throw RequestException.invalid(
                            name, name + " has " + text.length() + " characters; it may have " + MAX_CHARACTERS);
                }
                yield Json.text(text);
            }
            default -> throw RequestFields.wrong(name, value, "a string or a number");
        };
    }
}
