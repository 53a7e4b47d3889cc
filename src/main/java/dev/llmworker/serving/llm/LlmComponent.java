package dev.llmworker.serving.llm;

import dev.llmworker.serving.delivery.Generations;
import dev.llmworker.serving.delivery.TextVectors;
import dev.llmworker.serving.tools.RouteTools;
import io.vertx.core.Vertx;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.stream.Collectors;
import org.apache.camel.Endpoint;
import org.apache.camel.spi.annotations.Component;
import org.apache.camel.support.DefaultComponent;
import org.jspecify.annotations.Nullable;

/// The component `llm`: the step `to: llm:generate` of any route replaces the body by the text generated from it,
/// `llm:embed` by the embeddings of its texts, and `llm:rerank` by its documents in order.
@Component("llm")
public final class LlmComponent extends DefaultComponent {

    private final @Nullable Serving serving;

    /// What a step does.
    enum Operation {
        GENERATE,
        EMBED,
        RERANK;

        /// As in the URI.
        String path() {
            return name().toLowerCase(Locale.ROOT);
        }

        static String paths() {
            return Arrays.stream(values()).map(one -> "llm:" + one.path()).collect(Collectors.joining(", "));
        }

        /// The options that it has.
        List<String> options() {
            return this == GENERATE ? LlmOptions.names() : VectorOptions.names(this);
        }
    }

    /// What generates.
    ///
    /// @param vertx runs the timeouts of generations
    /// @param tools the routes that the model may call
    /// @param requestTimeout for all the answers that one message needs
    public record Serving(
            Generations generations, TextVectors vectors, Vertx vertx, RouteTools tools, Duration requestTimeout) {}

    /// For Camel's tools, which read what options there are. It generates nothing.
    public LlmComponent() {
        serving = null;
    }

    public LlmComponent(Serving serving) {
        this.serving = serving;
    }

    @Override
    protected Endpoint createEndpoint(String uri, String remaining, Map<String, Object> parameters) throws Exception {
        var operation = Arrays.stream(Operation.values())
                .filter(one -> one.path().equals(remaining))
                .findFirst()
                .orElseThrow(() -> new IllegalArgumentException(
                        "llm:" + remaining + " is not known; the steps are " + Operation.paths()));
        var endpoint = new LlmEndpoint(uri, this);
        endpoint.setOperation(remaining);
        LlmOptions.prepare(getCamelContext(), parameters);
        VectorOptions.prepare(parameters);
        var lazy = "lazyStartProducer";
        for (var name : parameters.keySet()) {
            if (!operation.options().contains(name) && !name.equals(lazy)) {
                throw new IllegalArgumentException("llm:" + remaining + " has no option " + name + "; it has "
                        + String.join(", ", operation.options()));
            }
        }
        setProperties(endpoint, parameters);
        endpoint.check(operation);
        return endpoint;
    }

    Serving serving() {
        if (serving == null) {
            throw new IllegalStateException("llm: generates only in a worker; Camel has made a component of its own");
        }
        return serving;
    }
}
