package dev.llmworker.serving.openai;

import dev.llmworker.generation.Generator;
import dev.llmworker.serving.connection.Client;
import dev.llmworker.serving.connection.HttpClient;
import dev.llmworker.serving.request.ServedModel;
import dev.llmworker.serving.wire.RequestException;
import java.net.URLDecoder;
import java.nio.charset.StandardCharsets;
import java.time.InstantSource;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.apache.camel.Exchange;
import org.apache.camel.Processor;

/// The bean `models`: the one model that is loaded, in OpenAI's form. A path that ends with `/models` gets a list. One
/// that goes on, such as `/v1/models/org/name`, gets the model of that id.
public final class ModelsProcessor implements Processor {
    private static final String MODELS = "/models/";
    /// Tells another worker, in front of this one, what it may ask for.
    private static final String OWNER = "llm-worker";

    private final ServedModel model;
    private final long createdSeconds;

    public ModelsProcessor(Generator generator, InstantSource clock) {
        model = new ServedModel(generator);
        createdSeconds = clock.instant().getEpochSecond();
    }

    @Override
    public void process(Exchange exchange) {
        var named = named(exchange);
        var id = named.isEmpty() ? model.id() : model.id(named);
        var entry = new LinkedHashMap<String, Object>();
        entry.put("id", id);
        entry.put("object", "model");
        entry.put("created", createdSeconds);
        entry.put("owned_by", OWNER);
        exchange.getMessage().setBody(named.isEmpty() ? Map.of("object", "list", "data", List.of(entry)) : entry);
    }

    /// The id in the path, which may have slashes, percent-encoded or not; empty if there is none.
    private static String named(Exchange exchange) {
        var path = Client.of(exchange) instanceof HttpClient client ? client.path() : "";
        var begin = path.indexOf(MODELS);
        try {
            return begin < 0 ? "" : decoded(path.substring(begin + MODELS.length()));
        } catch (IllegalArgumentException _) {
            throw RequestException.invalid("the path is not validly percent-encoded");
        }
    }

    private static String decoded(String path) {
        // In a path, unlike in a query, a plus is no space.
        return URLDecoder.decode(path.replace("+", "%2B"), StandardCharsets.UTF_8);
    }
}
