package dev.llmworker.serving.request;

import dev.llmworker.serving.wire.Json;
import dev.llmworker.serving.wire.RequestException;
import dev.llmworker.serving.wire.RequestFields;
import dev.llmworker.serving.wire.WrittenNumber;
import dev.llmworker.text.WholeCharacters;
import java.math.BigInteger;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/// Reads what a request says to the model's chat template: `chat_template_kwargs`, and `reasoning_effort`.
public final class TemplateVariables {
    static final int MAX_CHARACTERS = 16_384;

    private static final String FIELD = "chat_template_kwargs";
    private static final String EFFORT = "reasoning_effort";
    /// What the worker says to the template, or must not be replaced in it.
    private static final Set<String> RESERVED = Set.of(
            "messages",
            "tools",
            "documents",
            "add_generation_prompt",
            "continue_final_message",
            "chat_template",
            "tokenize",
            "bos_token",
            "eos_token",
            "pad_token",
            "unk_token",
            "sep_token",
            "cls_token",
            "mask_token",
            "additional_special_tokens",
            "raise_exception",
            "strftime_now",
            "namespace",
            "range",
            "dict");

    private TemplateVariables() {}

    /// @throws RequestException naming the field, its value and its limit
    public static Map<String, @Nullable Object> read(RequestFields fields) {
        var variables = new LinkedHashMap<String, @Nullable Object>();
        var effort = fields.textOrNull(EFFORT);
        if (effort != null && !effort.isEmpty()) {
            variables.put(EFFORT, effort);
        }
        var sent = fields.object(FIELD);
        sent.forEach((key, value) -> {
            var name = text(FIELD, String.valueOf(key));
            if (RESERVED.contains(name)) {
                throw RequestException.invalid(
                        FIELD + "." + name, FIELD + "." + name + " is set by the worker and cannot be changed");
            }
            variables.put(name, value(FIELD + "." + RequestFields.shortened(name), value));
        });
        var characters = Json.text(variables).length();
        if (characters > MAX_CHARACTERS) {
            throw RequestException.invalid(
                    FIELD, FIELD + " has " + characters + " characters of JSON; the limit is " + MAX_CHARACTERS);
        }
        return variables;
    }

    /// A value as templates take it.
    private static @Nullable Object value(String at, @Nullable Object value) {
        return switch (value) {
            case null -> null;
            case String text -> text(at, text);
            case BigInteger number -> throw RequestFields.wrong(at, number, "a whole number of at most 64 bits");
            case WrittenNumber number -> {
                if (!Double.isFinite(number.doubleValue())) {
                    throw RequestFields.wrong(at, number, "a number of at most 64 bits");
                }
                yield number.doubleValue();
            }
            case List<?> list -> {
                var values = new ArrayList<@Nullable Object>(list.size());
                list.forEach(element -> values.add(value(at, element)));
                yield values;
            }
            case Map<?, ?> object -> {
                var members = new LinkedHashMap<String, @Nullable Object>();
                object.forEach((name, member) -> members.put(text(at, String.valueOf(name)), value(at, member)));
                yield members;
            }
            default -> value;
        };
    }

    private static String text(String at, String text) {
        if (WholeCharacters.brokenAt(text, 0) >= 0) {
            throw RequestException.invalid(at, at + " has half a surrogate pair; it must be valid Unicode");
        }
        return text;
    }
}
