package dev.llmworker.serving.llm;

import dev.llmworker.serving.wire.RequestException;
import dev.llmworker.serving.wire.RequestFields;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.apache.camel.Message;
import org.jspecify.annotations.Nullable;

/// What an `llm:embed` or `llm:rerank` step of a route says.
///
/// @param dimensions of embeddings; null for all that the model makes
/// @param topN the most documents that stay; null for all
/// @param patience how long a message waits while the model loads or the queue is full
record VectorOptions(
        @Nullable Long dimensions,
        @Nullable String query,
        @Nullable String instruction,
        @Nullable Long topN,
        Duration patience) {
    private static final List<String> OF_EMBED = List.of("dimensions", "patience");
    private static final List<String> OF_RERANK = List.of("query", "instruction", "topN", "patience");
    private static final List<String> WHOLE = List.of("dimensions", "topN");

    static List<String> names(LlmComponent.Operation operation) {
        return operation == LlmComponent.Operation.EMBED ? OF_EMBED : OF_RERANK;
    }

    /// The headers that override options.
    static List<String> headers() {
        return List.of(LlmConstants.DIMENSIONS, LlmConstants.QUERY, LlmConstants.INSTRUCTION, LlmConstants.TOP_N);
    }

    /// Gives parameters the types of [LlmEndpoint]. A route may take a value from a client by `toD`, so a wrong one is
    /// the request's mistake.
    static void prepare(Map<String, Object> parameters) {
        for (var name : WHOLE) {
            parameters.computeIfPresent(name, VectorOptions::whole);
        }
    }

    private static Long whole(String name, Object value) {
        var text = value.toString().strip();
        try {
            var number = Long.parseLong(text);
            if (number > 0) {
                return number;
            }
        } catch (NumberFormatException _) {
            // What is said of it is the same.
        }
        throw RequestException.invalid(
                name + " is \"" + RequestFields.shortened(text) + "\"; it must be a whole number of at least 1");
    }

    static VectorOptions of(LlmEndpoint endpoint) {
        return new VectorOptions(
                endpoint.getDimensions(),
                endpoint.getQuery(),
                endpoint.getInstruction(),
                endpoint.getTopN(),
                endpoint.getPatience());
    }

    /// As the headers of a message have it, which no client can send.
    VectorOptions with(Message message) {
        return new VectorOptions(
                number(message, LlmConstants.DIMENSIONS, dimensions),
                text(message, LlmConstants.QUERY, query),
                text(message, LlmConstants.INSTRUCTION, instruction),
                number(message, LlmConstants.TOP_N, topN),
                patience);
    }

    private static @Nullable Long number(Message message, String header, @Nullable Long absent) {
        var value = message.getHeader(header);
        return value == null ? absent : whole(header, value);
    }

    private static @Nullable String text(Message message, String header, @Nullable String absent) {
        var value = message.getHeader(header);
        return value == null ? absent : Objects.toString(value);
    }
}
