package dev.llmworker.serving.llm;

import dev.llmworker.serving.request.AnswerFormats;
import dev.llmworker.serving.request.WireFormat;
import dev.llmworker.serving.wire.RequestException;
import dev.llmworker.serving.wire.RequestFields;
import dev.llmworker.serving.wire.UsesRegex;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.Function;
import java.util.stream.Stream;
import org.apache.camel.CamelContext;
import org.apache.camel.Message;
import org.apache.camel.support.ResourceHelper;
import org.jspecify.annotations.Nullable;

/// What an `llm:generate` step of a route says of its generations.
///
/// @param fields those of a request, as `POST /generate` has them, with their JSON types
/// @param format the option that says what the answer must look like; null if it may be any text
/// @param timeout the longest a generation may take; zero for no limit but the worker's
/// @param patience how long a message waits while the model loads or the queue is full; zero for not at all
/// @param tools tags of the routes that the model may call
/// @param maxToolRounds the most answers whose calls are run
@UsesRegex("the text of a route")
record LlmOptions(
        Map<String, Object> fields,
        @Nullable Format format,
        Duration timeout,
        Duration patience,
        List<String> tools,
        int maxToolRounds) {
    private static final String HEADER_PREFIX = "CamelLlm";

    private static final List<String> OF_TOOLS = List.of("tools", "maxToolRounds");
    private static final int MOST_ROUNDS = 100;

    private static final List<String> DURATIONS = List.of("timeout", "patience");

    /// What the answer must look like.
    enum Format {
        SCHEMA("schema", LlmEndpoint::getSchema),
        /// Any text, whatever the body of a message asks for.
        TEXT("responseFormat", Format::anyText),
        JSON_OBJECT("responseFormat", Format::otherResponseFormat),
        REGEX("regex", LlmEndpoint::getRegex),
        CHOICE("choice", LlmEndpoint::getChoice);

        private static final String ANY_TEXT = "text";
        private static final String OF_SCHEMA = "json_schema";

        final String option;
        private final Function<LlmEndpoint, @Nullable String> value;

        Format(String option, Function<LlmEndpoint, @Nullable String> value) {
            this.option = option;
            this.value = value;
        }

        private static @Nullable String anyText(LlmEndpoint endpoint) {
            return ANY_TEXT.equals(endpoint.getResponseFormat()) ? ANY_TEXT : null;
        }

        /// With a schema, `json_schema` says no more.
        private static @Nullable String otherResponseFormat(LlmEndpoint endpoint) {
            var type = endpoint.getResponseFormat();
            if (!OF_SCHEMA.equals(type)) {
                return ANY_TEXT.equals(type) ? null : type;
            }
            if (endpoint.getSchema() == null) {
                throw new IllegalArgumentException("responseFormat is json_schema, and schema is missing");
            }
            return null;
        }

        boolean isJson() {
            return this == SCHEMA || this == JSON_OBJECT;
        }

        /// The fields of a request, as `POST /generate` has them.
        private Map<String, Object> fields(String text, CamelContext context) throws IOException {
            return switch (this) {
                case SCHEMA -> Map.of("structured_outputs", Map.of("json", schema(text, context)));
                case TEXT, JSON_OBJECT -> Map.of("response_format", Map.of("type", text));
                case REGEX -> Map.of("structured_outputs", Map.of("regex", text));
                case CHOICE -> Map.of("structured_outputs", Map.of("choice", choices(text)));
            };
        }

        /// The texts between the commas, without the white space around them.
        private static List<String> choices(String text) {
            var choices = Arrays.stream(text.split(",", -1)).map(String::strip).toList();
            if (choices.contains("")) {
                throw new IllegalArgumentException(
                        "choice is \"" + text + "\"; it has an empty text between two commas");
            }
            return choices;
        }
    }

    /// A schema itself, or that of a file or the class path.
    static String schema(String text, CamelContext context) throws IOException {
        if (text.stripLeading().startsWith("{")) {
            return text;
        }
        try (var stream = ResourceHelper.resolveMandatoryResourceAsInputStream(context, text)) {
            return new String(stream.readAllBytes(), StandardCharsets.UTF_8);
        }
    }

    private enum Kind {
        WHOLE("a whole number"),
        DECIMAL("a number"),
        FLAG("true or false"),
        TEXTS("a text or a list of texts");

        private final String words;

        Kind(String words) {
            this.words = words;
        }
    }

    /// A field of a request that is also an option of the step, and a header.
    ///
    /// @param field as `POST /generate` has it: `max_tokens`
    /// @param option as Camel's components have theirs: `maxTokens`
    private record Field(String field, String option, Kind kind, Function<LlmEndpoint, @Nullable Object> value) {
        /// `CamelLlmMaxTokens`
        String header() {
            return HEADER_PREFIX + option.substring(0, 1).toUpperCase(Locale.ROOT) + option.substring(1);
        }
    }

    private static final List<Field> FIELDS = List.of(
            new Field("max_tokens", "maxTokens", Kind.WHOLE, LlmEndpoint::getMaxTokens),
            new Field("temperature", "temperature", Kind.DECIMAL, LlmEndpoint::getTemperature),
            new Field("top_k", "topK", Kind.WHOLE, LlmEndpoint::getTopK),
            new Field("top_p", "topP", Kind.DECIMAL, LlmEndpoint::getTopP),
            new Field("min_p", "minP", Kind.DECIMAL, LlmEndpoint::getMinP),
            new Field("seed", "seed", Kind.WHOLE, LlmEndpoint::getSeed),
            new Field("min_tokens", "minTokens", Kind.WHOLE, LlmEndpoint::getMinTokens),
            new Field("stop", "stop", Kind.TEXTS, LlmEndpoint::getStop),
            new Field("presence_penalty", "presencePenalty", Kind.DECIMAL, LlmEndpoint::getPresencePenalty),
            new Field("frequency_penalty", "frequencyPenalty", Kind.DECIMAL, LlmEndpoint::getFrequencyPenalty),
            new Field("repetition_penalty", "repetitionPenalty", Kind.DECIMAL, LlmEndpoint::getRepetitionPenalty),
            new Field("raw", "raw", Kind.FLAG, LlmEndpoint::getRaw),
            new Field("ignore_eos", "ignoreEos", Kind.FLAG, LlmEndpoint::getIgnoreEos));

    /// The options, as Camel's components have them.
    static List<String> names() {
        var formats = Arrays.stream(Format.values()).map(format -> format.option);
        return Stream.of(FIELDS.stream().map(Field::option), formats, OF_TOOLS.stream(), DURATIONS.stream())
                .flatMap(names -> names)
                .distinct()
                .toList();
    }

    /// The headers that override options.
    static List<String> headers() {
        return FIELDS.stream().map(Field::header).toList();
    }

    /// Makes the parameters those of [LlmEndpoint]: fields may have their names of `POST /generate`, and values are
    /// texts. A route may take a value from a client by `toD`, so a wrong one is the request's mistake.
    ///
    /// @throws RequestException naming the parameter, its value and its limit
    static void prepare(CamelContext context, Map<String, Object> parameters) {
        for (var field : FIELDS) {
            var snakeCase = parameters.remove(field.field);
            var camelCase = parameters.remove(field.option);
            if (snakeCase != null && camelCase != null) {
                throw new IllegalArgumentException(field.option + " and " + field.field + " are the same option");
            }
            if (camelCase != null) {
                parameters.put(field.option, typed(field.option, camelCase, field.kind));
            } else if (snakeCase != null) {
                parameters.put(field.option, typed(field.field, snakeCase, field.kind));
            }
        }
        for (var name : DURATIONS) {
            parameters.computeIfPresent(name, (_, value) -> duration(context, name, value));
        }
    }

    private static Duration duration(CamelContext context, String name, Object value) {
        var duration = context.getTypeConverter().tryConvertTo(Duration.class, value);
        if (duration == null || duration.isNegative()) {
            throw RequestException.invalid(
                    name + " is \"" + RequestFields.shortened(value.toString()) + "\"; it must be a time such as 30s");
        }
        return duration;
    }

    /// @throws IOException if the file of a schema cannot be read
    static LlmOptions of(LlmEndpoint endpoint) throws IOException {
        var fields = new LinkedHashMap<String, Object>();
        for (var field : FIELDS) {
            var value = field.value.apply(endpoint);
            if (value != null) {
                fields.put(field.field, value);
            }
        }
        @Nullable Format found = null;
        for (var format : Format.values()) {
            var text = format.value.apply(endpoint);
            if (text != null) {
                if (found != null) {
                    throw new IllegalArgumentException(
                            found.option + " and " + format.option + " are both there; an answer has one format");
                }
                found = format;
                fields.putAll(format.fields(text, endpoint.getCamelContext()));
            }
        }
        var tools = ToolDeclaration.list(endpoint.getTools());
        var rounds = endpoint.getMaxToolRounds();
        if (rounds < 1 || rounds > MOST_ROUNDS) {
            throw new IllegalArgumentException("maxToolRounds is " + rounds + "; it must be from 1 to " + MOST_ROUNDS);
        }
        if (!tools.isEmpty() && Boolean.TRUE.equals(endpoint.getRaw())) {
            throw new IllegalArgumentException("tools and raw are both there; tools need the model's chat template");
        }
        return new LlmOptions(Map.copyOf(fields), found, endpoint.getTimeout(), endpoint.getPatience(), tools, rounds);
    }

    /// @throws RequestException naming the field that is out of its bounds
    void check() {
        WireFormat.request(request(Map.of("prompt", "x"), Map.of()));
    }

    /// The request of a message: what its body says, then what the route says, then the headers `CamelLlmMaxTokens` and
    /// the like, which no client can send.
    Map<String, Object> request(Message message) {
        var headers = new LinkedHashMap<String, Object>();
        for (var field : FIELDS) {
            var value = message.getHeader(field.header());
            if (value != null) {
                headers.put(field.field, typed(field.header(), value, field.kind));
            }
        }
        if (message.getBody() instanceof Map<?, ?> body) {
            return request(body, headers);
        }
        if (message.getBody() instanceof List<?> messages) {
            return request(Map.of("messages", messages), headers);
        }
        var prompt = message.getBody(String.class);
        if (prompt == null) {
            throw RequestException.invalid(
                    "the prompt is missing; the body must be a text, a Map, or a list of messages");
        }
        return request(Map.of("prompt", prompt), headers);
    }

    private Map<String, Object> request(Map<?, ?> body, Map<String, Object> headers) {
        var request = new LinkedHashMap<String, Object>();
        body.forEach((name, value) -> request.put(String.valueOf(name), value));
        if (format != null) {
            request.keySet().removeAll(AnswerFormats.FIELDS);
        }
        request.putAll(fields);
        request.putAll(headers);
        return request;
    }

    private static Object typed(String name, Object value, Kind kind) {
        if (kind == Kind.TEXTS && value instanceof List) {
            return value;
        }
        var text = kind == Kind.TEXTS ? value.toString() : value.toString().strip();
        try {
            return switch (kind) {
                case WHOLE -> Long.valueOf(text);
                case DECIMAL -> Double.valueOf(text);
                case FLAG -> {
                    if (!text.equals("true") && !text.equals("false")) {
                        throw new IllegalArgumentException("neither");
                    }
                    yield Boolean.valueOf(text);
                }
                case TEXTS -> text;
            };
        } catch (IllegalArgumentException _) {
            throw RequestException.invalid(
                    name + " is \"" + RequestFields.shortened(text) + "\"; it must be " + kind.words);
        }
    }
}
