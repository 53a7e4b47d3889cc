package dev.llmworker.serving.responses;

import com.fasterxml.jackson.databind.util.RawValue;
import dev.llmworker.generation.AnswerFormat;
import dev.llmworker.generation.GenerationRequest;
import dev.llmworker.generation.HeldMemory;
import dev.llmworker.generation.PrefixHold;
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
import dev.llmworker.text.chat.ToolChoice;
import dev.llmworker.text.chat.ToolUse;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.OptionalInt;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/// A request of the API of responses. What would change the answer and is not supported is refused by name; fields
/// that are not known are ignored. The sampling fields of the worker's other APIs are supported, too.
///
/// @param echo the fields that the response repeats
/// @param input what the request adds to the conversation, and the conversation with it
/// @param stream whether the client gets events
/// @param generates whether an answer is generated: a WebSocket may ask only to prepare one
/// @param stores whether the response is kept
/// @param encrypts whether reasoning comes with the member `encrypted_content`
record ResponseRequest(
        GenerationRequest generation,
        Map<String, @Nullable Object> echo,
        ResponseInput.Read input,
        boolean stream,
        boolean generates,
        boolean stores,
        boolean encrypts) {
    private static final String LIMIT = "max_output_tokens";
    private static final String TEXT = "text";
    private static final String INCLUDE = "include";
    private static final String LOGPROBS = "message.output_text.logprobs";
    private static final String TOP_LOGPROBS = "top_logprobs";
    private static final String PREVIOUS = "previous_response_id";
    private static final String TRUNCATION = "truncation";
    private static final String METADATA = "metadata";
    private static final String STREAM_OPTIONS = "stream_options";
    private static final String INSTRUCTIONS = "instructions";
    private static final String GENERATE = "generate";
    private static final String SCHEMA = "schema";
    private static final float DEFAULT_TEMPERATURE = 1;
    private static final long BYTES_PER_CHARACTER = 2;
    private static final List<String> NAMES_OF_USERS = List.of("prompt_cache_key", "safety_identifier", "user");
    private static final int MAX_PAIRS = 16;
    private static final int MAX_KEY_CHARACTERS = 64;
    private static final int MAX_VALUE_CHARACTERS = 512;

    private static final Set<String> SUPPORTED =
            Set.of(ResponseTools.TOOLS, ResponseTools.CHOICE, Thinking.FIELD, TOP_LOGPROBS, Thinking.LIMIT);
    /// Fields of this API alone that are not supported.
    private static final List<String> UNSUPPORTED = List.of("background", "conversation", "prompt");
    /// Fields that OpenAI's other API has for what this one has by other names.
    private static final Map<String, String> OTHER_NAMES =
            Map.of("max_tokens", LIMIT, "max_completion_tokens", LIMIT, "messages", ResponseInput.FIELD);

    /// How a request came.
    enum Transport {
        HTTP,
        WEBSOCKET
    }

    /// What a request may refer to.
    interface Kept {
        /// The turns of the conversation that ends with a response; null if it is not there.
        @Nullable
        List<ChatMessage> turns(String id);

        /// Messages that its client has queued to follow a response.
        default List<ResponseStore.Item> queued(String id) {
            return List.of();
        }

        ResponseStore.@Nullable Item item(String id);

        /// Whether responses are kept at all.
        boolean isOn();
    }

    /// The response that it goes on from; null if it begins a conversation.
    @Nullable
    String previousId() {
        return echo.get(PREVIOUS) instanceof String id ? id : null;
    }

    ResponseRequest withRequestId(String id) {
        return with(generation.withRequestId(id));
    }

    ResponseRequest withHold(PrefixHold hold) {
        return with(generation.withHold(hold));
    }

    private ResponseRequest with(GenerationRequest changed) {
        return new ResponseRequest(changed, echo, input, stream, generates, stores, encrypts);
    }

    /// A request with the same settings that goes on from its response.
    ///
    /// @param previousId of the response
    ResponseRequest next(String previousId, ResponseInput.Read next, HeldMemory held) {
        var again = new LinkedHashMap<>(echo);
        again.put(PREVIOUS, previousId);
        var variables = ((Prompt.Chat) generation.prompt()).variables();
        var instructions = echo.get(INSTRUCTIONS) instanceof String text ? text : null;
        var turns = ResponseInput.instructed(instructions, next.turns(), held);
        return new ResponseRequest(
                generation.withPrompt(new Prompt.Chat(turns, variables)),
                again,
                next,
                stream,
                generates,
                stores,
                encrypts);
    }

    /// @param relays whether another server generates: it decides itself what its context holds
    /// @param held counts what is not in the text of the request
    /// @throws RequestException naming the field, its value and its limit
    static ResponseRequest read(Map<?, ?> body, Transport transport, boolean relays, Kept kept, HeldMemory held) {
        var fields = checked(body, transport);
        var included = included(fields);
        var stores = fields.flag("store", true) && kept.isOn();
        var generates = fields.flag(GENERATE, true);
        var previous = previous(fields);
        var before = previous == null ? List.<ChatMessage>of() : before(previous, kept, held);
        var queued = previous == null ? List.<ResponseStore.Item>of() : kept.queued(previous);
        var source = new ResponseInput.Source(before, queued, kept::item, stores, held);
        var input = ResponseInput.read(fields, source);
        var maxTokens = fields.whole(LIMIT);
        if (maxTokens.isPresent() && maxTokens.getAsInt() < 1) {
            throw RequestFields.wrong(LIMIT, maxTokens.getAsInt(), "at least 1");
        }
        try {
            var thinking = Thinking.read(fields);
            var instructed = ResponseInput.instructed(fields.textOrNull(INSTRUCTIONS), input.turns(), held);
            var format = format(fields);
            var tools = ResponseTools.read(fields);
            var generation = new GenerationRequest(
                            thinking.prompt(WireFormat.chat(instructed, fields)),
                            generates ? maxTokens : OptionalInt.of(1),
                            SamplingFields.sampling(fields, DEFAULT_TEMPERATURE, logprobs(fields, included)),
                            fields.flag("ignore_eos", false),
                            generates ? fields.whole("min_tokens").orElse(0) : 0,
                            SamplingFields.stops(fields),
                            true)
                    .withStopTokens(SamplingFields.stopTokens(fields))
                    .withFormat(generates ? format : null)
                    .withParts(thinking.parts(generates ? tools : optional(tools)));
            var request = new ResponseRequest(
                    relays ? generation : generation.withCutAtContext(),
                    echo(fields, generation.sampling(), stores),
                    input,
                    transport == Transport.WEBSOCKET || fields.flag("stream", false),
                    generates,
                    stores,
                    included.contains(EncryptedReasoning.INCLUDED));
            held.take(request.echoedBytes());
            return request;
        } catch (IllegalArgumentException e) {
            throw fields.refusal(e);
        }
    }

    /// One token is no call.
    private static ToolUse optional(ToolUse tools) {
        return tools.isRequired() ? new ToolUse(tools.tools(), ToolChoice.AUTO, tools.parallel()) : tools;
    }

    /// About how many bytes the fields take that the response repeats.
    long echoedBytes() {
        return BYTES_PER_CHARACTER
                * echo.values().stream()
                        .mapToLong(value -> String.valueOf(value).length())
                        .sum();
    }

    private static RequestFields checked(Map<?, ?> body, Transport transport) {
        var fields = new RequestFields(body);
        if (transport == Transport.HTTP && !fields.flag(GENERATE, true)) {
            throw RequestException.invalid(GENERATE, "generate is false, which is supported by WebSocket alone");
        }
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
        checkStreamOptions(fields, transport);
        checkMetadata(fields.object(METADATA));
        return fields;
    }

    private static void checkStreamOptions(RequestFields fields, Transport transport) {
        var options = fields.object(STREAM_OPTIONS);
        if (UnsupportedFields.asksForNothing(options)) {
            return;
        }
        if (transport == Transport.HTTP && !fields.flag("stream", false)) {
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

    private static @Nullable String previous(RequestFields fields) {
        var id = fields.textOrNull(PREVIOUS);
        return id == null || id.isEmpty() ? null : id;
    }

    private static List<ChatMessage> before(String id, Kept kept, HeldMemory held) {
        var turns = kept.turns(id);
        if (turns == null) {
            throw new RequestException(new JsonError(
                    400,
                    "previous_response_not_found",
                    PREVIOUS + " is \"" + RequestFields.shortened(id) + "\"; no such response is stored",
                    0,
                    PREVIOUS));
        }
        // They stay in memory even if the store gives the response up.
        held.take(ResponseStore.bytes(turns));
        return turns;
    }

    /// What the answer must look like: `text.format`, or what vLLM's clients send.
    private static @Nullable AnswerFormat format(RequestFields fields) {
        var text = new RequestFields(fields.object(TEXT));
        onlyMembers(TEXT, text.fields(), Set.of("format", "verbosity"));
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
            case "text" -> {
                onlyMembers(at, format.fields(), Set.of("type"));
                yield null;
            }
            case "json_object" -> {
                onlyMembers(at, format.fields(), Set.of("type"));
                yield AnswerFormat.Json.object(at);
            }
            case "json_schema" -> {
                onlyMembers(at, format.fields(), Set.of("type", "name", "description", "strict", SCHEMA));
                if (!(format.fields().get(SCHEMA) instanceof Map<?, ?> schema)) {
                    throw RequestFields.wrong(at + "." + SCHEMA, format.fields().get(SCHEMA), "a JSON schema");
                }
                yield new AnswerFormat.Json(at + "." + SCHEMA, Json.text(schema));
            }
            default -> throw RequestFields.wrong(at + ".type", type, "text, json_object or json_schema");
        };
    }

    /// What another member asks for would be missing in the answer.
    static void onlyMembers(String at, Map<?, ?> object, Set<String> known) {
        object.forEach((name, value) -> {
            if (!known.contains(String.valueOf(name)) && !UnsupportedFields.asksForNothing(value)) {
                var place = at + "." + RequestFields.shortened(String.valueOf(name));
                throw RequestException.invalid(place, place + " is not supported");
            }
        });
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
        for (var name : NAMES_OF_USERS) {
            echo.put(name, ofUser(name, fields));
        }
        var reasoning = new LinkedHashMap<String, @Nullable Object>();
        for (var name : List.of("effort", "summary")) {
            reasoning.put(name, fields.object(Thinking.FIELD).get(name));
        }
        echo.put(Thinking.FIELD, raw(reasoning));
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

    /// The response repeats it, and the prompt does not have it, so that nothing else limits its length.
    private static @Nullable String ofUser(String name, RequestFields fields) {
        var text = fields.textOrNull(name);
        if (text != null && text.length() > MAX_VALUE_CHARACTERS) {
            throw RequestException.invalid(
                    name, name + " has " + text.length() + " characters; the limit is " + MAX_VALUE_CHARACTERS);
        }
        return text;
    }

    private static @Nullable Integer number(OptionalInt number) {
        return number.isPresent() ? (Integer) number.getAsInt() : null;
    }

    private static RawValue raw(Object value) {
        return new RawValue(Json.text(value));
    }
}
