package dev.llmworker.serving.responses;

import com.fasterxml.jackson.databind.util.RawValue;
import dev.llmworker.generation.AnswerFormat;
import dev.llmworker.generation.AnswerParts;
import dev.llmworker.generation.GenerationRequest;
import dev.llmworker.generation.Prompt;
import dev.llmworker.sampling.SamplingParameters;
import dev.llmworker.serving.request.AnswerFormats;
import dev.llmworker.serving.request.ChatMessages;
import dev.llmworker.serving.request.SamplingFields;
import dev.llmworker.serving.request.UnsupportedFields;
import dev.llmworker.serving.request.WireFormat;
import dev.llmworker.serving.wire.Json;
import dev.llmworker.serving.wire.JsonError;
import dev.llmworker.serving.wire.RequestException;
import dev.llmworker.serving.wire.RequestFields;
import dev.llmworker.text.chat.ChatMessage;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.OptionalInt;
import java.util.Set;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/// A request of the API of responses. What would change the answer and is not supported is refused by name; fields
/// that are not known are ignored. The sampling fields of the worker's other APIs are supported, too.
///
/// @param echo the fields that the response repeats
/// @param input what the request adds to the conversation, and the conversation with it
/// @param stores whether the response is kept
/// @param encrypts whether reasoning comes with the member `encrypted_content`
record ResponseRequest(
        GenerationRequest generation,
        Map<String, @Nullable Object> echo,
        ResponseInput.Read input,
        boolean stream,
        boolean stores,
        boolean encrypts) {
    private static final String LIMIT = "max_output_tokens";
    private static final String REASONING = "reasoning";
    private static final String EFFORT = "reasoning_effort";
    private static final String TEXT = "text";
    private static final String INCLUDE = "include";
    private static final String LOGPROBS = "message.output_text.logprobs";
    private static final String TOP_LOGPROBS = "top_logprobs";
    private static final String PREVIOUS = "previous_response_id";
    private static final String TRUNCATION = "truncation";
    private static final String METADATA = "metadata";
    private static final String STREAM_OPTIONS = "stream_options";
    private static final String MAX_REASONING = "max_reasoning_tokens";
    private static final String INSTRUCTIONS = "instructions";
    private static final float DEFAULT_TEMPERATURE = 1;
    private static final long BYTES_PER_CHARACTER = 2;
    private static final int MAX_PAIRS = 16;
    private static final int MAX_KEY_CHARACTERS = 64;
    private static final int MAX_VALUE_CHARACTERS = 512;

    private static final Set<String> SUPPORTED =
            Set.of(ResponseTools.TOOLS, ResponseTools.CHOICE, REASONING, TOP_LOGPROBS, MAX_REASONING);
    /// Fields of this API alone that are not supported.
    private static final List<String> UNSUPPORTED = List.of("background", "conversation", "prompt");
    /// Fields that OpenAI's other API has for what this one has by other names.
    private static final Map<String, String> OTHER_NAMES =
            Map.of("max_tokens", LIMIT, "max_completion_tokens", LIMIT, "messages", ResponseInput.FIELD);

    /// Templates know no other efforts than the middle three.
    private static final Map<String, String> EFFORTS = Map.of(
            "none", "", "minimal", "low", "low", "low", "medium", "medium", "high", "high", "xhigh", "high", "max",
            "high");

    /// What a request may refer to.
    interface Kept {
        ResponseStore.@Nullable Stored response(String id);

        ResponseStore.@Nullable Item item(String id);

        /// Whether responses are kept at all.
        boolean isOn();
    }

    ResponseRequest withRequestId(String id) {
        return new ResponseRequest(generation.withRequestId(id), echo, input, stream, stores, encrypts);
    }

    /// About how many bytes it holds beside its generation.
    long heldBytes() {
        var texts = Stream.concat(
                        input.items().stream().map(ResponseStore.Item::json),
                        echo.values().stream().map(String::valueOf))
                .mapToLong(String::length)
                .sum();
        return BYTES_PER_CHARACTER * texts;
    }

    /// @param relays whether another server generates: it decides itself what its context holds
    /// @throws RequestException naming the field, its value and its limit
    static ResponseRequest read(Map<?, ?> body, boolean relays, Kept kept) {
        var fields = checked(body);
        var included = included(fields);
        var stores = fields.flag("store", true) && kept.isOn();
        var input = ResponseInput.read(fields, before(fields, kept), kept::item, stores);
        var maxTokens = fields.whole(LIMIT);
        if (maxTokens.isPresent() && maxTokens.getAsInt() < 1) {
            throw RequestFields.wrong(LIMIT, maxTokens.getAsInt(), "at least 1");
        }
        try {
            var reasoning = new RequestFields(fields.object(REASONING));
            var effort = effort(reasoning);
            var isOff = effort != null && effort.isEmpty();
            var budget = isOff ? OptionalInt.of(0) : fields.whole(MAX_REASONING);
            var instructed = ResponseInput.instructed(fields.textOrNull(INSTRUCTIONS), input.turns());
            var generation = new GenerationRequest(
                            prompt(instructed, effort, fields),
                            maxTokens,
                            SamplingFields.sampling(fields, DEFAULT_TEMPERATURE, logprobs(fields, included)),
                            fields.flag("ignore_eos", false),
                            fields.whole("min_tokens").orElse(0),
                            SamplingFields.stops(fields),
                            true)
                    .withStopTokens(SamplingFields.stopTokens(fields))
                    .withFormat(format(fields))
                    .withParts(new AnswerParts(
                            ResponseTools.read(fields), relays && isOff ? OptionalInt.empty() : budget));
            return new ResponseRequest(
                    relays ? generation : generation.withCutAtContext(),
                    echo(fields, generation.sampling(), stores),
                    input,
                    fields.flag("stream", false),
                    stores,
                    included.contains(EncryptedReasoning.INCLUDED));
        } catch (IllegalArgumentException e) {
            throw fields.refusal(e);
        }
    }

    private static RequestFields checked(Map<?, ?> body) {
        var fields = new RequestFields(body);
        UnsupportedFields.refuse(fields, false, SUPPORTED);
        for (var name : UNSUPPORTED) {
            if (!UnsupportedFields.asksForNothing(body.get(name))) {
                throw RequestException.invalid(name, name + " is not supported");
            }
        }
        OTHER_NAMES.forEach((name, own) -> {
            if (!UnsupportedFields.asksForNothing(body.get(name))) {
                throw RequestException.invalid(name, name + " is not supported; send " + own);
            }
        });
        var truncation = fields.textOrNull(TRUNCATION);
        if (truncation != null && !truncation.equals("disabled")) {
            throw RequestException.invalid(
                    TRUNCATION,
                    TRUNCATION + " is \"" + RequestFields.shortened(truncation)
                            + "\", which is not supported; it must be disabled");
        }
        if (fields.whole("max_tool_calls").orElse(1) < 1) {
            throw RequestFields.wrong("max_tool_calls", body.get("max_tool_calls"), "at least 1");
        }
        checkStreamOptions(fields);
        checkMetadata(fields.object(METADATA));
        return fields;
    }

    private static void checkStreamOptions(RequestFields fields) {
        var options = fields.object(STREAM_OPTIONS);
        if (UnsupportedFields.asksForNothing(options)) {
            return;
        }
        if (!fields.flag("stream", false)) {
            throw RequestException.invalid(STREAM_OPTIONS, "stream_options needs \"stream\": true");
        }
        throw RequestException.invalid(
                STREAM_OPTIONS,
                "stream_options." + options.keySet().iterator().next() + " is not supported; usage always comes");
    }

    private static void checkMetadata(Map<?, ?> metadata) {
        if (metadata.size() > MAX_PAIRS) {
            throw RequestException.invalid(
                    METADATA, METADATA + " has " + metadata.size() + " pairs; the limit is " + MAX_PAIRS);
        }
        var members = new RequestFields(metadata);
        for (var entry : metadata.entrySet()) {
            var name = String.valueOf(entry.getKey());
            var at = METADATA + "." + RequestFields.shortened(name);
            var value = ChatMessages.within(METADATA, () -> members.textOrNull(name));
            if (name.length() > MAX_KEY_CHARACTERS) {
                throw RequestException.invalid(
                        METADATA,
                        at + " has a name of " + name.length() + " characters; the limit is " + MAX_KEY_CHARACTERS);
            }
            if (value == null || value.length() > MAX_VALUE_CHARACTERS) {
                throw RequestException.invalid(
                        METADATA, at + " must be a string of at most " + MAX_VALUE_CHARACTERS + " characters");
            }
        }
    }

    private static Set<String> included(RequestFields fields) {
        var included = fields.texts(INCLUDE);
        for (var name : included) {
            if (!name.equals(EncryptedReasoning.INCLUDED) && !name.equals(LOGPROBS)) {
                throw RequestException.invalid(
                        INCLUDE,
                        INCLUDE + " has \"" + RequestFields.shortened(name)
                                + "\", which is not supported; it may have " + EncryptedReasoning.INCLUDED + " and "
                                + LOGPROBS);
            }
        }
        return Set.copyOf(included);
    }

    private static OptionalInt logprobs(RequestFields fields, Set<String> included) {
        var top = fields.whole(TOP_LOGPROBS).orElse(0);
        if (top < 0 || top > SamplingParameters.MAX_LOGPROBS) {
            throw RequestFields.wrong(TOP_LOGPROBS, top, "from 0 to " + SamplingParameters.MAX_LOGPROBS);
        }
        return top > 0 || included.contains(LOGPROBS) ? OptionalInt.of(top) : OptionalInt.empty();
    }

    private static List<ChatMessage> before(RequestFields fields, Kept kept) {
        var id = fields.textOrNull(PREVIOUS);
        if (id == null || id.isEmpty()) {
            return List.of();
        }
        var previous = kept.response(id);
        if (previous == null) {
            throw new RequestException(new JsonError(
                    400,
                    "previous_response_not_found",
                    PREVIOUS + " is \"" + RequestFields.shortened(id) + "\"; no such response is stored",
                    0,
                    PREVIOUS));
        }
        return previous.turns();
    }

    /// @param effort empty if the model must not think
    private static Prompt prompt(List<ChatMessage> turns, @Nullable String effort, RequestFields fields) {
        var variables = new LinkedHashMap<>(WireFormat.chat(turns, fields).variables());
        if (effort != null && variables.containsKey(EFFORT)) {
            throw RequestException.invalid(
                    EFFORT, "reasoning_effort and reasoning.effort are both there; send one of them");
        }
        if (effort != null && effort.isEmpty()) {
            variables.putIfAbsent("enable_thinking", false);
            variables.putIfAbsent("thinking", false);
        } else if (effort != null) {
            variables.put(EFFORT, effort);
        }
        return new Prompt.Chat(turns, variables);
    }

    /// How much the model thinks, as templates know it: empty for not at all; null if the request does not say.
    private static @Nullable String effort(RequestFields reasoning) {
        for (var name : List.of("summary", "generate_summary")) {
            var summary = ChatMessages.within(REASONING, () -> reasoning.textOrNull(name));
            if (summary != null && !summary.equals("auto")) {
                throw RequestException.invalid(
                        REASONING + "." + name,
                        REASONING + "." + name + " is \"" + RequestFields.shortened(summary)
                                + "\", which is not supported: responses have the reasoning itself; it must be auto");
            }
        }
        var effort = ChatMessages.within(REASONING, () -> reasoning.textOrNull("effort"));
        if (effort != null && !EFFORTS.containsKey(effort)) {
            throw RequestFields.wrong(REASONING + ".effort", effort, "none, minimal, low, medium, high, xhigh or max");
        }
        return effort == null ? null : EFFORTS.get(effort);
    }

    /// What the answer must look like: `text.format`, or what vLLM's clients send.
    private static @Nullable AnswerFormat format(RequestFields fields) {
        var text = new RequestFields(fields.object(TEXT));
        var verbosity = ChatMessages.within(TEXT, () -> text.textOrNull("verbosity"));
        if (verbosity != null && !verbosity.equals("medium")) {
            throw RequestException.invalid(
                    TEXT + ".verbosity",
                    TEXT + ".verbosity is \"" + RequestFields.shortened(verbosity)
                            + "\", which is not supported; it must be medium");
        }
        var own = ofText(new RequestFields(ChatMessages.within(TEXT, () -> text.object("format"))));
        var other = AnswerFormats.read(fields);
        if (own != null && other != null) {
            throw RequestException.invalid(
                    other.field(), own.field() + " and " + other.field() + " are both there; send one of them");
        }
        return own == null ? other : own;
    }

    private static @Nullable AnswerFormat ofText(RequestFields format) {
        var at = TEXT + ".format";
        if (format.fields().isEmpty()) {
            return null;
        }
        var type = ChatMessages.within(at, () -> format.text("type"));
        return switch (type) {
            case "text" -> null;
            case "json_object" -> AnswerFormat.Json.object(at);
            case "json_schema" -> {
                if (!(format.fields().get("schema") instanceof Map<?, ?> schema)) {
                    throw RequestFields.wrong(at + ".schema", format.fields().get("schema"), "a JSON schema");
                }
                yield new AnswerFormat.Json(at + ".schema", Json.text(schema));
            }
            default -> throw RequestFields.wrong(at + ".type", type, "text, json_object or json_schema");
        };
    }

    /// What a response repeats of its request, in the order of OpenAI's. Nothing of the body is held but its text.
    private static Map<String, @Nullable Object> echo(
            RequestFields fields, SamplingParameters sampling, boolean stores) {
        var echo = new LinkedHashMap<String, @Nullable Object>();
        echo.put(INSTRUCTIONS, fields.textOrNull(INSTRUCTIONS));
        echo.put(LIMIT, number(fields.whole(LIMIT)));
        echo.put("max_tool_calls", number(fields.whole("max_tool_calls")));
        echo.put(ResponseTools.PARALLEL, fields.flag(ResponseTools.PARALLEL, true));
        echo.put(PREVIOUS, fields.textOrNull(PREVIOUS));
        for (var name : List.of("prompt_cache_key", "safety_identifier", "user")) {
            echo.put(name, fields.textOrNull(name));
        }
        var reasoning = new LinkedHashMap<String, @Nullable Object>();
        for (var name : List.of("effort", "summary")) {
            reasoning.put(name, fields.object(REASONING).get(name));
        }
        echo.put(REASONING, reasoning);
        echo.put("service_tier", "default");
        echo.put("store", stores);
        echo.put("temperature", sampling.temperature());
        var text = new LinkedHashMap<String, Object>();
        var format = fields.object(TEXT).get("format");
        text.put("format", format instanceof Map<?, ?> map && !map.isEmpty() ? format : Map.of("type", TEXT));
        text.put("verbosity", "medium");
        echo.put(TEXT, raw(text));
        echo.put(
                ResponseTools.CHOICE,
                raw(Objects.requireNonNullElse(fields.fields().get(ResponseTools.CHOICE), "auto")));
        echo.put(ResponseTools.TOOLS, raw(ResponseTools.echo(fields)));
        echo.put(TOP_LOGPROBS, fields.whole(TOP_LOGPROBS).orElse(0));
        echo.put("top_p", sampling.topP());
        echo.put(TRUNCATION, "disabled");
        echo.put(METADATA, raw(fields.object(METADATA)));
        return echo;
    }

    private static @Nullable Integer number(OptionalInt number) {
        return number.isPresent() ? (Integer) number.getAsInt() : null;
    }

    private static RawValue raw(Object value) {
        return new RawValue(Json.text(value));
    }
}
