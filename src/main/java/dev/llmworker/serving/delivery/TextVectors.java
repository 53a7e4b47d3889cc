package dev.llmworker.serving.delivery;

import dev.llmworker.generation.GenerationRequest;
import dev.llmworker.generation.Generator;
import dev.llmworker.generation.ModelVectors;
import dev.llmworker.generation.Prompt;
import dev.llmworker.generation.Task;
import dev.llmworker.generation.VectorEvent;
import dev.llmworker.serving.connection.Client;
import dev.llmworker.serving.wire.JsonError;
import dev.llmworker.serving.wire.RequestException;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.CancellationException;
import java.util.concurrent.Future;
import java.util.function.Supplier;
import org.apache.camel.Exchange;

/// Makes vectors of texts for clients: embeddings, and the scores of documents.
///
/// Threading: any thread but an event loop.
public final class TextVectors {
    /// What the query of a request is for, unless it says so. Source: the model card of Qwen3-Reranker.
    public static final String INSTRUCTION =
            "Given a web search query, retrieve relevant passages that answer the query";
    /// The most texts or documents of a request.
    public static final int MOST_TEXTS = 2048;

    /// A value as a number, as JSON while that grows, and in the answer.
    private static final long BYTES_PER_VALUE = 64;

    private final Generator generator;
    private final Generations generations;
    private final PromptTokens tokens;

    /// The tokens of a text, or a text.
    public sealed interface Input {
        /// What errors call it: `input[2]`.
        String name();
    }

    public record Text(String name, String text) implements Input {}

    public record Tokens(String name, List<Integer> ids) implements Input {}

    /// @param promptTokens of all texts together
    public record Embeddings(List<float[]> vectors, int promptTokens) {}

    /// A document and how likely it answers the query, 0 to 1.
    ///
    /// @param index of the document in the request
    public record Score(int index, double score) {}

    /// @param scores the best document first
    public record Ranking(List<Score> scores, int promptTokens) {}

    public TextVectors(Generator generator, Generations generations, PromptTokens tokens) {
        this.generator = generator;
        this.generations = generations;
        this.tokens = tokens;
    }

    /// The model, if it is served for a task.
    ///
    /// @throws RequestException if the engine has no model of its own
    /// @throws dev.llmworker.generation.RefusedException if the model does something else
    public ModelVectors model(Task task) {
        if (generator instanceof ModelVectors model) {
            model.checkServes(task);
            return model;
        }
        throw RequestException.invalid(task.name().toLowerCase(Locale.ROOT)
                + " requests are not supported with this engine: the worker has no model of its own");
    }

    /// The embeddings of texts, each of length 1.
    ///
    /// @param dimensions how many values of each are kept
    public Embeddings embeddings(ModelVectors model, List<Input> inputs, int dimensions, Exchange exchange) {
        try (var held = generations.hold()) {
            var texts = new ArrayList<int[]>(inputs.size());
            for (var input : inputs) {
                add(texts, model, input.name(), tokens(model, input, exchange, held), held);
            }
            generations.holdUntilSent((long) inputs.size() * model.dimensions() * BYTES_PER_VALUE, exchange);
            var vectors = vectors(model, texts, "embeddings", exchange);
            return new Embeddings(
                    vectors.stream()
                            .map(vector -> normalised(vector, dimensions))
                            .toList(),
                    count(texts));
        }
    }

    /// The documents by how well they answer the query.
    ///
    /// @param name what errors call the documents
    public Ranking ranking(
            ModelVectors model,
            String instruction,
            String query,
            String name,
            List<String> documents,
            Exchange exchange) {
        try (var held = generations.hold()) {
            var client = Client.of(exchange);
            var texts = new ArrayList<int[]>(documents.size());
            var asked = encoded(() -> model.encodeQuery(instruction, query), instruction + query, client, held);
            for (var i = 0; i < documents.size(); i++) {
                var document = documents.get(i);
                var called = name + "[" + i + "]";
                var rest = encoded(() -> model.encodeDocument(called, document), document, client, held);
                var whole = new int[asked.length + rest.length];
                System.arraycopy(asked, 0, whole, 0, asked.length);
                System.arraycopy(rest, 0, whole, asked.length, rest.length);
                add(texts, model, "query and " + called, whole, held);
            }
            var scores = new ArrayList<Score>(texts.size());
            for (var logits : vectors(model, texts, "rerank", exchange)) {
                // The probability of yes, of yes and no.
                scores.add(new Score(scores.size(), 1 / (1 + Math.exp((double) logits[1] - logits[0]))));
            }
            scores.sort((a, b) -> Double.compare(b.score, a.score));
            return new Ranking(scores, count(texts));
        }
    }

    private int[] tokens(ModelVectors model, Input input, Exchange exchange, Generations.Held held) {
        return switch (input) {
            case Text(var name, var text) ->
                encoded(() -> model.encodeText(name, text), text, Client.of(exchange), held);
            case Tokens(var name, var ids) -> {
                var size = model.vocabularySize();
                for (var i = 0; i < ids.size(); i++) {
                    if (ids.get(i) < 0 || ids.get(i) >= size) {
                        throw RequestException.invalid(
                                "input",
                                name + "[" + i + "] is " + ids.get(i) + "; this model's tokens are 0 to " + (size - 1));
                    }
                }
                yield ids.stream().mapToInt(Integer::intValue).toArray();
            }
        };
    }

    private int[] encoded(Supplier<Future<int[]>> encoding, String text, Client client, Generations.Held held) {
        var bytes = GenerationRequest.encodingBytes(new Prompt.Raw(text), List.of());
        held.take(bytes);
        var ids = tokens.await(encoding.get(), client);
        held.add(-bytes);
        return ids;
    }

    private static void add(List<int[]> texts, ModelVectors model, String name, int[] ids, Generations.Held held) {
        if (ids.length == 0) {
            throw new RequestException(JsonError.of(400, "prompt_empty", name + " has no tokens"));
        }
        if (ids.length > model.longestText()) {
            throw new RequestException(JsonError.of(
                    400,
                    "context_exceeded",
                    name + " is " + ids.length + " tokens; this model takes at most " + model.longestText()));
        }
        held.take((long) ids.length * Integer.BYTES);
        texts.add(ids);
    }

    /// The vectors in the order of their texts.
    private List<float[]> vectors(ModelVectors model, List<int[]> texts, String operation, Exchange exchange) {
        var found = new float[texts.size()][];
        var caller = Caller.of(exchange);
        var ending = generations.vectors(model, texts, operation, caller, new Generations.VectorReader() {
            @Override
            public boolean vector(VectorEvent.Vector vector) {
                found[vector.index()] = vector.values();
                return !caller.client().isGone();
            }
        });
        switch (ending.finished().reason()) {
            case CANCELLED -> throw new CancellationException("the request was cancelled");
            case TIMEOUT ->
                throw new RequestException(
                        JsonError.of(504, "timeout", "the request was not done within REQUEST_TIMEOUT"));
            case ERROR -> throw new RequestException(JsonError.failed(ending.finished()));
            case STOP, TOOL_CALLS, CONTENT_FILTER, LENGTH -> {}
        }
        return List.of(found);
    }

    private static int count(List<int[]> texts) {
        return Math.toIntExact(texts.stream().mapToLong(text -> text.length).sum());
    }

    /// The first values, scaled to the length 1.
    static float[] normalised(float[] vector, int dimensions) {
        var squares = 0.0;
        for (var i = 0; i < dimensions; i++) {
            squares += (double) vector[i] * vector[i];
        }
        if (!Double.isFinite(squares)) {
            throw new IllegalStateException("the model made a vector that is not finite");
        }
        var factor = squares == 0 ? 0 : 1 / Math.sqrt(squares);
        var scaled = new float[dimensions];
        for (var i = 0; i < dimensions; i++) {
            scaled[i] = (float) (vector[i] * factor);
        }
        return scaled;
    }
}
