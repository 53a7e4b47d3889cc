package dev.llmworker.serving.llm;

import dev.llmworker.serving.wire.RequestException;
import dev.llmworker.serving.wire.RequestFields;
import dev.llmworker.serving.wire.WireFormat;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import org.apache.camel.Message;

/// What an `llm:generate` step of a route says of its generations.
///
/// @param fields those of a request, as `POST /generate` has them, with their JSON types
/// @param timeout the longest a generation may take; zero for no limit but the worker's
/// @param patience how long a message waits while the model loads or the queue is full; zero for not at all
record LlmOptions(Map<String, Object> fields, Duration timeout, Duration patience) {
    private static final String HEADER_PREFIX = "CamelLlm";

    private enum Kind {
        WHOLE("a whole number"),
        DECIMAL("a number"),
        FLAG("true or false");

        private final String words;

        Kind(String words) {
            this.words = words;
        }
    }

    private static final Map<String, Kind> KINDS = new TreeMap<>(Map.of(
            "max_tokens", Kind.WHOLE,
            "temperature", Kind.DECIMAL,
            "top_k", Kind.WHOLE,
            "top_p", Kind.DECIMAL,
            "min_p", Kind.DECIMAL,
            "seed", Kind.WHOLE,
            "raw", Kind.FLAG,
            "ignore_eos", Kind.FLAG));

    /// Takes what it knows out of `parameters`; Camel refuses the rest by name.
    ///
    /// @throws IllegalArgumentException naming the parameter, its value and its limit
    static LlmOptions take(Map<String, Object> parameters, Duration timeout, Duration patience) {
        var fields = new LinkedHashMap<String, Object>();
        KINDS.forEach((name, kind) -> {
            var value = parameters.remove(name);
            if (value != null) {
                fields.put(name, typed(name, value, kind));
            }
        });
        var options = new LlmOptions(Map.copyOf(fields), timeout, patience);
        try {
            WireFormat.request(options.request(Map.of("prompt", "x"), Map.of()));
        } catch (RequestException e) {
            throw new IllegalArgumentException(e.getMessage());
        }
        return options;
    }

    /// The request of a message: what its body says, then what the route says, then the headers `CamelLlmMaxTokens` and
    /// the like, which no client can send.
    Map<String, Object> request(Message message) {
        var headers = new LinkedHashMap<String, Object>();
        KINDS.forEach((name, kind) -> {
            var value = message.getHeader(header(name));
            if (value != null) {
                headers.put(name, typed(header(name), value, kind));
            }
        });
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

    /// `max_tokens` is `CamelLlmMaxTokens`.
    static String header(String name) {
        var header = new StringBuilder(HEADER_PREFIX);
        for (var word : name.split("_")) {
            header.append(word.substring(0, 1).toUpperCase(Locale.ROOT)).append(word.substring(1));
        }
        return header.toString();
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
            throw new IllegalArgumentException(
                    name + " is \"" + RequestFields.shortened(text) + "\"; it must be " + kind.words);
        }
    }
}
