package dev.llmworker.serving.openai;

import dev.llmworker.generation.Generator;
import dev.llmworker.generation.ModelVectors;
import dev.llmworker.generation.Task;
import dev.llmworker.serving.delivery.TextVectors;
import dev.llmworker.serving.request.ServedModel;
import dev.llmworker.serving.request.UnsupportedFields;
import dev.llmworker.serving.wire.Json;
import dev.llmworker.serving.wire.JsonError;
import dev.llmworker.serving.wire.ParsedBody;
import dev.llmworker.serving.wire.RequestException;
import dev.llmworker.serving.wire.RequestFields;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.apache.camel.Exchange;
import org.apache.camel.Processor;
import org.jspecify.annotations.Nullable;

/// The bean `embeddings`: OpenAI's API for embeddings, over the one model that is loaded. The body is a `Map` with the
/// fields of a request; the answer is JSON. The work stops when the client disconnects.
public final class EmbeddingsProcessor implements Processor {
    private static final String INPUT = "input";
    private static final String FORMAT = "encoding_format";
    private static final String DIMENSIONS = "dimensions";
    private static final String INPUT_LIMIT =
            "a string, a list of strings, a list of token ids, or a list of such lists";
    private static final Set<String> ELSEWHERE = Set.of(
            "embedding_types",
            "embedding_type",
            "images",
            "input_type",
            "inputs",
            "late_chunking",
            "messages",
            "output_dimension",
            "output_dtype",
            "prompt",
            "prompt_name",
            "task",
            "texts",
            "truncate",
            "truncation");
    private static final Set<String> NORMS = Set.of("normalize", "normalized");

    private final TextVectors vectors;
    private final ServedModel model;

    public EmbeddingsProcessor(TextVectors vectors, Generator generator) {
        this.vectors = vectors;
        model = new ServedModel(generator);
    }

    @Override
    public void process(Exchange exchange) {
        var message = exchange.getMessage();
        var body = ParsedBody.of(exchange);
        var fields = new RequestFields(body);
        var modelId = model.id(body);
        var served = vectors.model(Task.EMBED);
        refuseOthers(fields);
        var isBase64 = isBase64(fields);
        var dimensions = dimensions(fields, served);
        var found = vectors.embeddings(served, inputs(body.get(INPUT)), dimensions, exchange);
        message.setHeader(Exchange.CONTENT_TYPE, JsonError.CONTENT_TYPE);
        message.setBody(answer(found, modelId, isBase64).getBytes(StandardCharsets.UTF_8));
    }

    private static void refuseOthers(RequestFields fields) {
        UnsupportedFields.refuse(fields, true, Set.of());
        UnsupportedFields.refuse(fields, ELSEWHERE);
        for (var name : NORMS) {
            if (!fields.flag(name, true)) {
                throw RequestFields.wrong(name, false, "true");
            }
        }
    }

    private static boolean isBase64(RequestFields fields) {
        var format = fields.textOrNull(FORMAT);
        if (format != null && !format.equals("float") && !format.equals("base64")) {
            throw RequestFields.wrong(FORMAT, format, "\"float\" or \"base64\"");
        }
        return "base64".equals(format);
    }

    private static int dimensions(RequestFields fields, ModelVectors served) {
        var most = served.dimensions();
        var asked = fields.whole(DIMENSIONS).orElse(most);
        if (asked < 1 || asked > most) {
            throw RequestFields.wrong(DIMENSIONS, asked, "1 to " + most);
        }
        return asked;
    }

    /// A text, the tokens of one, or a list of these.
    private static List<TextVectors.Input> inputs(@Nullable Object input) {
        return switch (input) {
            case List<?> list
            when list.isEmpty() ->
                throw RequestException.invalid(INPUT, "input is an empty list; it must be " + INPUT_LIMIT);
            case List<?> list
            when !(list.getFirst() instanceof Number) -> {
                if (list.size() > TextVectors.MOST_TEXTS) {
                    throw RequestException.invalid(
                            INPUT, "input has " + list.size() + " entries; the limit is " + TextVectors.MOST_TEXTS);
                }
                var inputs = new ArrayList<TextVectors.Input>(list.size());
                for (var element : list) {
                    inputs.add(input(INPUT + "[" + inputs.size() + "]", element));
                }
                yield inputs;
            }
            case null, default -> List.of(input(INPUT, input));
        };
    }

    private static TextVectors.Input input(String name, @Nullable Object element) {
        var fields = new RequestFields(element == null ? Map.of() : Map.of(name, element));
        try {
            return switch (element) {
                case List<?> ids
                when ids.isEmpty() ->
                    throw RequestException.invalid(name, name + " is an empty list; it must have a token id");
                case List<?> ids -> new TextVectors.Tokens(name, ids);
                case String _ -> new TextVectors.Text(name, fields.text(name));
                case null -> throw RequestException.invalid(name, name + " is missing; it must be " + INPUT_LIMIT);
                default -> throw RequestFields.wrong(name, element, INPUT_LIMIT);
            };
        } catch (RequestException e) {
            throw RequestException.invalid(INPUT, e.error().message());
        }
    }

    private static String answer(TextVectors.Embeddings found, String modelId, boolean isBase64) {
        var json = new StringBuilder("{\"object\":\"list\",\"data\":[");
        for (var i = 0; i < found.vectors().size(); i++) {
            json.append(i == 0 ? "" : ",")
                    .append("{\"object\":\"embedding\",\"index\":")
                    .append(i)
                    .append(",\"embedding\":");
            if (isBase64) {
                json.append('"').append(base64(found.vectors().get(i))).append('"');
            } else {
                appendNumbers(found.vectors().get(i), json);
            }
            json.append('}');
        }
        return json.append("],\"model\":")
                .append(Json.text(modelId))
                .append(",\"usage\":{\"prompt_tokens\":")
                .append(found.promptTokens())
                .append(",\"total_tokens\":")
                .append(found.promptTokens())
                .append("}}")
                .toString();
    }

    private static void appendNumbers(float[] vector, StringBuilder json) {
        json.append('[');
        for (var i = 0; i < vector.length; i++) {
            json.append(i == 0 ? "" : ",").append(vector[i]);
        }
        json.append(']');
    }

    /// As OpenAI's clients ask for it: the bytes of the floats, little-endian.
    private static String base64(float[] vector) {
        var bytes = ByteBuffer.allocate(vector.length * Float.BYTES).order(ByteOrder.LITTLE_ENDIAN);
        bytes.asFloatBuffer().put(vector);
        return Base64.getEncoder().encodeToString(bytes.array());
    }
}
