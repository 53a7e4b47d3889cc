package dev.llmworker.serving.llm;

import dev.llmworker.serving.request.WireFormat;
import dev.llmworker.serving.wire.RequestException;
import dev.llmworker.serving.wire.RequestFields;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.Function;
import java.util.stream.Stream;
import org.apache.camel.CamelContext;
import org.apache.camel.Message;
import org.jspecify.annotations.Nullable;

/// What an `llm:generate` step of a route says of its generations.
///
/// @param fields those of a request, as `POST /generate` has them, with their JSON types
/// @param timeout the longest a generation may take; zero for no limit but the worker's
/// @param patience how long a message waits while the model loads or the queue is full; zero for not at all
record LlmOptions(Map<String, Object> fields, Duration timeout, Duration patience) {
    private static final String HEADER_PREFIX = "CamelLlm";

    private static final List<String> DURATIONS = List.of("timeout", "patience");

    private enum Kind {
        WHOLE("a whole number"),
        DECIMAL("a number"),
        FLAG("true or false");

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
            new Field("raw", "raw", Kind.FLAG, LlmEndpoint::getRaw),
            new Field("ignore_eos", "ignoreEos", Kind.FLAG, LlmEndpoint::getIgnoreEos));

    /// The options, as Camel's components have them.
    static List<String> names() {
        return Stream.concat(FIELDS.stream().map(Field::option), DURATIONS.stream())
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

    static LlmOptions of(LlmEndpoint endpoint) {
        var fields = new LinkedHashMap<String, Object>();
        for (var field : FIELDS) {
            var value = field.value.apply(endpoint);
            if (value != null) {
                fields.put(field.field, value);
            }
        }
        return new LlmOptions(Map.copyOf(fields), endpoint.getTimeout(), endpoint.getPatience());
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
        var prompt = message.getBody(String.class);
        if (prompt == null) {
            throw RequestException.invalid("the prompt is missing; the body must be a text or a Map");
        }
        return request(Map.of("prompt", prompt), headers);
    }

    private Map<String, Object> request(Map<?, ?> body, Map<String, Object> headers) {
        var request = new LinkedHashMap<String, Object>();
        body.forEach((name, value) -> request.put(String.valueOf(name), value));
        request.putAll(fields);
        request.putAll(headers);
        return request;
    }

    private static Object typed(String name, Object value, Kind kind) {
        var text = value.toString().strip();
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
            };
        } catch (IllegalArgumentException _) {
            throw RequestException.invalid(
                    name + " is \"" + RequestFields.shortened(text) + "\"; it must be " + kind.words);
        }
    }
}
