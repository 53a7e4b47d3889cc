package dev.llmworker.serving.openai;

import dev.llmworker.generation.Generator;
import dev.llmworker.generation.Task;
import dev.llmworker.serving.connection.Client;
import dev.llmworker.serving.delivery.Generations;
import dev.llmworker.serving.delivery.TextVectors;
import dev.llmworker.serving.request.ServedModel;
import dev.llmworker.serving.request.UnsupportedFields;
import dev.llmworker.serving.wire.Json;
import dev.llmworker.serving.wire.JsonError;
import dev.llmworker.serving.wire.ParsedBody;
import dev.llmworker.serving.wire.RequestException;
import dev.llmworker.serving.wire.RequestFields;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.apache.camel.Exchange;
import org.apache.camel.Processor;
import org.jspecify.annotations.Nullable;

/// The bean `rerank`: scores documents by how well they answer a query, with the fields that Cohere's and Jina's APIs
/// have. The body is a `Map` with the fields of a request; the answer is JSON, the best document first.
public final class RerankProcessor implements Processor {
    private static final String DOCUMENTS = "documents";
    private static final String TOP = "top_n";
    private static final Set<String> ELSEWHERE =
            Set.of("max_chunks_per_doc", "max_tokens_per_doc", "rank_fields", "top_k", "truncate", "truncation");

    /// A character of a document as JSON while that grows, and in the answer.
    private static final long BYTES_PER_CHARACTER = 8;

    private final TextVectors vectors;
    private final Generations generations;
    private final ServedModel model;

    public RerankProcessor(TextVectors vectors, Generations generations, Generator generator) {
        this.vectors = vectors;
        this.generations = generations;
        model = new ServedModel(generator);
    }

    @Override
    public void process(Exchange exchange) {
        var message = exchange.getMessage();
        var body = ParsedBody.of(exchange);
        var fields = new RequestFields(body);
        var modelId = model.id(body);
        var served = vectors.model(Task.RERANK);
        UnsupportedFields.refuse(fields, true, Set.of(DOCUMENTS));
        UnsupportedFields.refuse(fields, ELSEWHERE);
        var documents = documents(body.get(DOCUMENTS));
        var top = fields.whole(TOP).orElse(documents.size());
        if (top < 1) {
            throw RequestFields.wrong(TOP, top, "at least 1");
        }
        var returns = fields.flag("return_documents", false);
        var instruction = fields.has("instruction") ? fields.text("instruction") : TextVectors.INSTRUCTION;
        var ranking = vectors.ranking(served, instruction, fields.text("query"), DOCUMENTS, documents, exchange);
        var best = ranking.scores().stream().limit(top).toList();
        if (returns) {
            var characters = best.stream()
                    .mapToLong(score -> documents.get(score.index()).length())
                    .sum();
            generations.holdUntilSent(BYTES_PER_CHARACTER * characters, exchange);
        }
        var results = best.stream()
                .map(score -> result(score, returns ? documents : null))
                .toList();
        var answer = new LinkedHashMap<String, Object>();
        answer.put("id", "rerank-" + Client.of(exchange).requestId());
        answer.put("object", "list");
        answer.put("model", modelId);
        answer.put("results", results);
        var usage = new LinkedHashMap<String, Object>();
        usage.put("prompt_tokens", ranking.promptTokens());
        usage.put("total_tokens", ranking.promptTokens());
        answer.put("usage", usage);
        message.setHeader(Exchange.CONTENT_TYPE, JsonError.CONTENT_TYPE);
        message.setBody(Json.bytes(answer));
    }

    private static Map<String, Object> result(TextVectors.Score score, @Nullable List<String> documents) {
        var result = new LinkedHashMap<String, Object>();
        result.put("index", score.index());
        result.put("relevance_score", score.score());
        if (documents != null) {
            result.put("document", Map.of("text", documents.get(score.index())));
        }
        return result;
    }

    /// Texts, or objects with a `text`.
    private static List<String> documents(@Nullable Object sent) {
        if (!(sent instanceof List<?> list)) {
            throw sent == null
                    ? RequestException.invalid(DOCUMENTS, "documents is missing; it must be a list of strings")
                    : RequestFields.wrong(DOCUMENTS, sent, "a list of strings, or of objects with a text");
        }
        if (list.isEmpty() || list.size() > TextVectors.MOST_TEXTS) {
            throw RequestException.invalid(
                    DOCUMENTS,
                    "documents has " + list.size() + " entries; it must have 1 to " + TextVectors.MOST_TEXTS);
        }
        var documents = new ArrayList<String>(list.size());
        for (var element : list) {
            documents.add(document(DOCUMENTS + "[" + documents.size() + "]", element));
        }
        return documents;
    }

    private static String document(String name, @Nullable Object element) {
        try {
            return switch (element) {
                case Map<?, ?> object ->
                    new RequestFields(Map.of(name + ".text", object.get("text") instanceof Object text ? text : ""))
                            .text(name + ".text");
                case null, default -> new RequestFields(element == null ? Map.of() : Map.of(name, element)).text(name);
            };
        } catch (RequestException e) {
            throw RequestException.invalid(DOCUMENTS, e.error().message());
        }
    }
}
