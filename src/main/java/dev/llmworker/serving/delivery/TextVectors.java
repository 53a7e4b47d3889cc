package dev.llmworker.serving.delivery;

import dev.llmworker.generation.Generator;
import dev.llmworker.generation.ModelVectors;
import dev.llmworker.generation.Task;
import dev.llmworker.generation.VectorEvent;
import dev.llmworker.serving.connection.Client;
import dev.llmworker.serving.wire.JsonError;
import dev.llmworker.serving.wire.RequestException;
import dev.llmworker.serving.wire.RequestFields;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.CancellationException;
import java.util.function.Supplier;
import org.apache.camel.Exchange;
import org.jspecify.annotations.Nullable;

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
    /// A score and the index of its document, in the same forms.
    private static final long BYTES_PER_SCORE = 1024;
    private static final String INPUT = "input";

    private final Generator generator;
    private final Generations generations;
    private final PromptTokens tokens;

    /// A text, or what a client sent as the tokens of one.
    public sealed interface Input {
        /// What errors call it: `input[2]`.
        String name();
    }

    public record Text(String name, String text) implements Input {}

    public record Tokens(String name, List<?> ids) implements Input {}

    /// @param promptTokens of all texts together
    public record Embeddings(List<float[]> vectors, int promptTokens) {}

    /// A document and how likely it answers the query, 0 to 1.
    ///
    /// @param index of the document in the request
    public record Score(int index, double score) {}

    /// @param scores the best document first
    public record Ranking(List<Score> scores, int promptTokens) {}

    /// @param vectors in the order of their texts
    private record Found(List<float[]> vectors, int promptTokens) {}

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
        try (var held = generations.hold();
                var kept = generations.hold()) {
            var client = Client.of(exchange);
            var longest =
                    inputs.stream().mapToLong(TextVectors::characters).max().orElse(0);
            Supplier<List<int[]>> encoding = () -> {
                kept.take((long) inputs.size() * model.dimensions() * BYTES_PER_VALUE);
                return tokens.await(model.encode(longest, () -> texts(model, inputs, client, held)), client);
            };
            var found = vectors(model, inputs.size(), encoding, ExpectedTokens.of(inputs), "embeddings", exchange);
            kept.keepUntilSent(exchange);
            return new Embeddings(
                    found.vectors.stream()
                            .map(vector -> normalised(vector, dimensions))
                            .toList(),
                    found.promptTokens);
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
        try (var held = generations.hold();
                var kept = generations.hold()) {
            var client = Client.of(exchange);
            var longest = Math.max(
                    instruction.length() + query.length(),
                    documents.stream().mapToInt(String::length).max().orElse(0));
            Supplier<List<int[]>> encoding = () -> {
                kept.take(documents.size() * BYTES_PER_SCORE);
                return tokens.await(
                        model.encode(
                                longest, () -> questions(model, instruction, query, name, documents, client, held)),
                        client);
            };
            var expected = ExpectedTokens.of(instruction + query, documents);
            var found = vectors(model, documents.size(), encoding, expected, "rerank", exchange);
            var scores = new ArrayList<Score>(documents.size());
            for (var logits : found.vectors) {
                // The probability of yes, of yes and no.
                scores.add(new Score(scores.size(), 1 / (1 + Math.exp((double) logits[1] - logits[0]))));
            }
            kept.keepUntilSent(exchange);
            scores.sort((a, b) -> Double.compare(b.score, a.score));
            return new Ranking(scores, found.promptTokens);
        }
    }

    private static long characters(Input input) {
        return input instanceof Text(var _, var text) ? text.length() : 0;
    }

    private static List<int[]> texts(ModelVectors model, List<Input> inputs, Client client, Generations.Held held) {
        var texts = new ArrayList<int[]>(inputs.size());
        for (var input : inputs) {
            checkWanted(client);
            var ids = switch (input) {
                case Text(var name, var text) -> model.encodeText(name, text);
                case Tokens(var name, var sent) -> ids(model, name, sent);
            };
            add(texts, model, input.name(), ids, held);
        }
        return texts;
    }

    /// The question whether a document answers the query, for each document.
    private static List<int[]> questions(
            ModelVectors model,
            String instruction,
            String query,
            String name,
            List<String> documents,
            Client client,
            Generations.Held held) {
        var texts = new ArrayList<int[]>(documents.size());
        var asked = model.encodeQuery(instruction, query);
        for (var i = 0; i < documents.size(); i++) {
            checkWanted(client);
            var called = name + "[" + i + "]";
            var rest = model.encodeDocument(called, documents.get(i));
            var whole = new int[asked.length + rest.length];
            System.arraycopy(asked, 0, whole, 0, asked.length);
            System.arraycopy(rest, 0, whole, asked.length, rest.length);
            add(texts, model, "query and " + called, whole, held);
        }
        return texts;
    }

    private static int[] ids(ModelVectors model, String name, List<?> sent) {
        checkLength(model, name, sent.size());
        var size = model.vocabularySize();
        var ids = new int[sent.size()];
        for (var i = 0; i < ids.length; i++) {
            var id = sent.get(i) instanceof Integer whole ? whole : id(name + "[" + i + "]", sent.get(i));
            if (id < 0 || id >= size) {
                throw RequestException.invalid(
                        INPUT, name + "[" + i + "] is " + id + "; this model's tokens are 0 to " + (size - 1));
            }
            ids[i] = id;
        }
        return ids;
    }

    /// 50.0 is a whole number too. Others are refused.
    private static int id(String name, @Nullable Object sent) {
        try {
            return new RequestFields(sent == null ? Map.of() : Map.of(name, sent))
                    .whole(name)
                    .orElseThrow(() -> RequestFields.wrong(name, null, "a whole number"));
        } catch (RequestException e) {
            throw RequestException.invalid(INPUT, e.error().message());
        }
    }

    /// Other requests run between two texts. No text is encoded for a client that does not want it any more.
    private static void checkWanted(Client client) {
        Thread.yield();
        if (client.isUnwanted() || Thread.currentThread().isInterrupted()) {
            throw new CancellationException("the request was cancelled");
        }
    }

    private static void add(List<int[]> texts, ModelVectors model, String name, int[] ids, Generations.Held held) {
        if (ids.length == 0) {
            throw new RequestException(JsonError.of(400, "prompt_empty", name + " has no tokens"));
        }
        checkLength(model, name, ids.length);
        held.take((long) ids.length * Integer.BYTES);
        texts.add(ids);
    }

    private static void checkLength(ModelVectors model, String name, int tokens) {
        if (tokens > model.longestText()) {
            throw new RequestException(JsonError.of(
                    400,
                    "context_exceeded",
                    name + " is " + tokens + " tokens; this model takes at most " + model.longestText()));
        }
    }

    /// The vectors in the order of their texts.
    private Found vectors(
            ModelVectors model,
            int count,
            Supplier<List<int[]>> encoding,
            ExpectedTokens expected,
            String operation,
            Exchange exchange) {
        var found = new float[count][];
        var caller = Caller.of(exchange);
        var ending = generations.vectors(model, encoding, expected, operation, caller, new Generations.VectorReader() {
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
        if (Arrays.asList(found).contains(null)) {
            // Nobody has read those that came after the client left.
            throw new CancellationException("the client has left");
        }
        return new Found(List.of(found), ending.finished().promptTokens());
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
