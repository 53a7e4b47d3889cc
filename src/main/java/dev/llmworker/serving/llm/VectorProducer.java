package dev.llmworker.serving.llm;

import dev.llmworker.generation.Task;
import dev.llmworker.serving.delivery.TextVectors;
import dev.llmworker.serving.wire.RequestException;
import dev.llmworker.serving.wire.RequestFields;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.apache.camel.Exchange;
import org.apache.camel.Message;
import org.apache.camel.support.DefaultProducer;
import org.jspecify.annotations.Nullable;

/// Replaces the texts of one message after another by their embeddings, or puts the best documents first.
///
/// Threading: the route's threads, which wait.
final class VectorProducer extends DefaultProducer {
    private static final String BODY = "the body";

    private final LlmComponent.Serving serving;
    private final LlmComponent.Operation operation;
    private final VectorOptions options;

    VectorProducer(
            LlmEndpoint endpoint,
            LlmComponent.Serving serving,
            LlmComponent.Operation operation,
            VectorOptions options) {
        super(endpoint);
        this.serving = serving;
        this.operation = operation;
        this.options = options;
    }

    @Override
    public void process(Exchange exchange) throws InterruptedException {
        var own = options.with(exchange.getMessage());
        var patience = new Patience(own.patience());
        switch (operation) {
            case EMBED -> patience.run(exchange, () -> embed(own, exchange));
            case RERANK -> patience.run(exchange, () -> rerank(own, exchange));
            case GENERATE -> throw new IllegalStateException("this makes vectors");
        }
    }

    private Message embed(VectorOptions own, Exchange exchange) {
        var message = exchange.getMessage();
        var model = serving.vectors().model(Task.EMBED);
        var most = model.dimensions();
        var dimensions = own.dimensions() == null ? most : own.dimensions();
        if (dimensions > most) {
            throw RequestFields.wrong("dimensions", dimensions, "1 to " + most);
        }
        var isList = message.getBody() instanceof List;
        var inputs = new ArrayList<TextVectors.Input>();
        for (var text : texts(message)) {
            inputs.add(new TextVectors.Text(isList ? BODY + "[" + inputs.size() + "]" : BODY, text));
        }
        var found = serving.vectors().embeddings(model, inputs, Math.toIntExact(dimensions), exchange);
        var vectors = found.vectors().stream().map(VectorProducer::numbers).toList();
        message.setBody(isList ? vectors : vectors.getFirst());
        message.setHeader(LlmConstants.PROMPT_TOKENS, found.promptTokens());
        return message;
    }

    private Message rerank(VectorOptions own, Exchange exchange) {
        var message = exchange.getMessage();
        if (!(message.getBody() instanceof List<?> documents)) {
            throw RequestException.invalid(
                    "the documents are missing; the body must be a list of texts, or of Maps with a text");
        }
        if (own.query() == null || own.query().isBlank()) {
            throw RequestException.invalid("query", "query is missing; set it, or the header CamelLlmQuery");
        }
        var model = serving.vectors().model(Task.RERANK);
        var instruction = own.instruction() == null ? TextVectors.INSTRUCTION : own.instruction();
        var ranking = serving.vectors().ranking(model, instruction, own.query(), BODY, texts(message), exchange);
        var best = ranking.scores().stream()
                .limit(own.topN() == null ? documents.size() : own.topN())
                .toList();
        message.setBody(best.stream().map(score -> documents.get(score.index())).toList());
        message.setHeader(
                LlmConstants.SCORES, best.stream().map(TextVectors.Score::score).toList());
        message.setHeader(LlmConstants.PROMPT_TOKENS, ranking.promptTokens());
        return message;
    }

    /// The texts of a list, or the one text that the body is.
    private static List<String> texts(Message message) {
        if (!(message.getBody() instanceof List<?> list)) {
            var text = message.getBody() instanceof Map ? null : message.getBody(String.class);
            return List.of(text(BODY, text));
        }
        if (list.isEmpty() || list.size() > TextVectors.MOST_TEXTS) {
            throw RequestException.invalid(
                    BODY + " has " + list.size() + " texts; it must have 1 to " + TextVectors.MOST_TEXTS);
        }
        var texts = new ArrayList<String>(list.size());
        for (var element : list) {
            texts.add(text(
                    BODY + "[" + texts.size() + "]", element instanceof Map<?, ?> map ? map.get("text") : element));
        }
        return texts;
    }

    private static String text(String name, @Nullable Object element) {
        if (!(element instanceof String text) || text.isEmpty()) {
            throw RequestException.invalid(name + " has no text; it must be a text or a list of texts");
        }
        return text;
    }

    /// As steps after it take them: Jackson writes them, and so does Java's text of a list.
    private static List<Float> numbers(float[] vector) {
        var numbers = new ArrayList<Float>(vector.length);
        for (var value : vector) {
            numbers.add(value);
        }
        return numbers;
    }
}
