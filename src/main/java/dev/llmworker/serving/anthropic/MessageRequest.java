package dev.llmworker.serving.anthropic;

import dev.llmworker.generation.AnswerFormat;
import dev.llmworker.generation.AnswerParts;
import dev.llmworker.generation.GenerationRequest;
import dev.llmworker.generation.Prompt;
import dev.llmworker.serving.request.AnswerFormats;
import dev.llmworker.serving.request.SamplingFields;
import dev.llmworker.serving.request.TemplateVariables;
import dev.llmworker.serving.request.UnsupportedFields;
import dev.llmworker.serving.request.WireFormat;
import dev.llmworker.serving.wire.Json;
import dev.llmworker.serving.wire.JsonError;
import dev.llmworker.serving.wire.RequestException;
import dev.llmworker.serving.wire.RequestFields;
import dev.llmworker.text.tools.ToolChoice;
import dev.llmworker.text.tools.ToolUse;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.OptionalInt;
import java.util.Set;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/// A request of Anthropic's API. What would change the answer and is not supported is refused by name; fields that are
/// not known are ignored. The sampling fields of the worker's other APIs are supported, too.
///
/// @param maxTokens of the answer
/// @param thinking what the client sees of it
record MessageRequest(GenerationRequest generation, int maxTokens, Thinking thinking, boolean stream) {
    private static final String MAX_TOKENS = "max_tokens";
    private static final String TEMPERATURE = "temperature";
    private static final String STOPS = "stop_sequences";
    private static final String CONFIG = "output_config";
    private static final String FORMAT = "output_format";
    private static final String EFFORT = "reasoning_effort";
    private static final float MAX_TEMPERATURE = 1;

    private static final Set<String> SUPPORTED =
            Set.of("system", "tools", "tool_choice", STOPS, CONFIG, FORMAT, Thinking.FIELD, ClearedThinking.FIELD);

    // Fields that OpenAI's API has for what this one has by other names.
    private static final String OTHER_LIMIT = "max_completion_tokens";
    private static final String PARALLEL = "parallel_tool_calls";
    private static final String THREAD = "thread";

    /// Where Anthropic's scale of effort goes on, templates know none higher.
    private static final Map<String, String> EFFORTS =
            Map.of("low", "low", "medium", "medium", "high", "high", "xhigh", "high", "max", "high");

    MessageRequest withRequestId(String id) {
        return new MessageRequest(generation.withRequestId(id), maxTokens, thinking, stream);
    }

    /// @param relays whether another server generates: it decides itself what its context holds
    /// @throws RequestException naming the field, its value and its limit
    static MessageRequest read(Map<?, ?> body, boolean relays) {
        var fields = checked(body);
        var maxTokens = fields.whole(MAX_TOKENS)
                .orElseThrow(() -> RequestException.invalid(
                        MAX_TOKENS, "max_tokens is missing; it must be a whole number of at least 1"));
        var thinking = Thinking.read(fields, maxTokens);
        var tools = MessageTools.read(fields);
        try {
            var generation = generation(fields, maxTokens, thinking)
                    .withFormat(format(fields))
                    .withParts(parts(fields, tools, thinking, thinking.budgetTokens()));
            return new MessageRequest(
                    relays ? generation : generation.withCutAtContext(),
                    maxTokens,
                    thinking,
                    fields.flag("stream", false));
        } catch (IllegalArgumentException e) {
            throw fields.refusal(e);
        }
    }

    /// The request whose prompt is to be counted, with an answer of one token.
    ///
    /// @throws RequestException as [#read]
    static GenerationRequest counted(Map<?, ?> body) {
        var fields = checked(body);
        var thinking = Thinking.read(fields, Integer.MAX_VALUE);
        var asked = MessageTools.read(fields);
        // A call that is required does not change the prompt, and does not fit into one token.
        var tools = asked.isRequired() ? new ToolUse(asked.tools(), ToolChoice.AUTO, asked.parallel()) : asked;
        var _ = format(fields);
        try {
            return generation(fields, 1, thinking).withParts(parts(fields, tools, thinking, OptionalInt.empty()));
        } catch (IllegalArgumentException e) {
            throw fields.refusal(e);
        }
    }

    private static AnswerParts parts(RequestFields fields, ToolUse tools, Thinking thinking, OptionalInt budget) {
        var implied = thinking.told(TemplateVariables.read(fields)).keySet();
        return new AnswerParts(tools, budget, true, implied);
    }

    private static RequestFields checked(Map<?, ?> body) {
        var fields = new RequestFields(body);
        UnsupportedFields.refuse(fields, false, SUPPORTED);
        if (!UnsupportedFields.asksForNothing(body.get(THREAD))) {
            throw new RequestException(new JsonError(
                    400,
                    JsonError.NO_THREADS,
                    "thread is not supported; send the whole conversation in messages",
                    0,
                    THREAD));
        }
        if (fields.has(OTHER_LIMIT)) {
            throw RequestException.invalid(OTHER_LIMIT, "max_completion_tokens is not supported; send max_tokens");
        }
        if (!fields.flag(PARALLEL, true)) {
            throw RequestException.invalid(
                    PARALLEL, "parallel_tool_calls is not supported; send tool_choice.disable_parallel_tool_use");
        }
        var temperature = fields.decimal(TEMPERATURE, MAX_TEMPERATURE);
        if (!(temperature >= 0 && temperature <= MAX_TEMPERATURE)) {
            throw RequestFields.wrong(TEMPERATURE, body.get(TEMPERATURE), "from 0.0 to 1.0");
        }
        return fields;
    }

    private static GenerationRequest generation(RequestFields fields, int maxTokens, Thinking thinking) {
        var stops = Stream.concat(fields.texts(STOPS).stream(), SamplingFields.stops(fields).stream())
                .filter(text -> !text.isEmpty())
                .toList();
        if (stops.size() > GenerationRequest.MAX_STOPS) {
            throw RequestException.invalid(
                    STOPS, STOPS + " has " + stops.size() + " sequences; the limit is " + GenerationRequest.MAX_STOPS);
        }
        return new GenerationRequest(
                        prompt(fields, thinking),
                        OptionalInt.of(maxTokens),
                        SamplingFields.sampling(fields, MAX_TEMPERATURE, OptionalInt.empty()),
                        fields.flag("ignore_eos", false),
                        fields.whole("min_tokens").orElse(0),
                        stops,
                        true)
                .withStopTokens(SamplingFields.stopTokens(fields));
    }

    private static Prompt prompt(RequestFields fields, Thinking thinking) {
        var messages = ClearedThinking.read(fields).of(Conversation.read(fields));
        var variables = new LinkedHashMap<>(WireFormat.chat(messages, fields).variables());
        variables.putAll(thinking.told(variables));
        var config = new RequestFields(fields.object(CONFIG));
        var effort = effort(config);
        if (effort != null && variables.put(EFFORT, effort) != null) {
            throw RequestException.invalid(
                    EFFORT, "reasoning_effort and output_config.effort are both there; send one of them");
        }
        return new Prompt.Chat(messages, variables);
    }

    private static @Nullable String effort(RequestFields config) {
        return switch (config.fields().get("effort")) {
            case null -> null;
            case String effort when EFFORTS.containsKey(effort) -> EFFORTS.get(effort);
            case Object other ->
                throw RequestFields.wrong(CONFIG + ".effort", other, "low, medium, high, xhigh or max");
        };
    }

    /// What the answer must look like. The older of the two fields is of a beta version.
    private static @Nullable AnswerFormat format(RequestFields fields) {
        var config = fields.object(CONFIG);
        config.forEach((name, value) -> {
            if (!name.equals("effort") && !name.equals("format") && !UnsupportedFields.asksForNothing(value)) {
                throw RequestException.invalid(CONFIG + "." + name, CONFIG + "." + name + " is not supported");
            }
        });
        var formats = Stream.of(
                        json(CONFIG + ".format", config.get("format")),
                        json(FORMAT, fields.fields().get(FORMAT)),
                        AnswerFormats.read(fields))
                .<AnswerFormat>mapMulti((format, found) -> {
                    if (format != null) {
                        found.accept(format);
                    }
                })
                .toList();
        if (formats.size() > 1) {
            throw RequestException.invalid(
                    formats.getLast().field(),
                    formats.getFirst().field() + " and " + formats.getLast().field()
                            + " are both there; send one of them");
        }
        return formats.isEmpty() ? null : formats.getFirst();
    }

    private static @Nullable AnswerFormat json(String at, @Nullable Object format) {
        if (format == null) {
            return null;
        }
        if (!(format instanceof Map<?, ?> map) || !"json_schema".equals(map.get("type"))) {
            throw RequestFields.wrong(at, format, "an object of the type json_schema");
        }
        if (!(map.get("schema") instanceof Map<?, ?> schema)) {
            throw RequestFields.wrong(at + ".schema", map.get("schema"), "a JSON schema");
        }
        return new AnswerFormat.Json(at + ".schema", Json.text(schema));
    }
}
