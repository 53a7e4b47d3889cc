package dev.llmworker.serving.llm;

import dev.llmworker.serving.delivery.Generations;
import dev.llmworker.serving.tools.RouteTools;
import io.vertx.core.Vertx;
import java.time.Duration;
import java.util.Map;
import org.apache.camel.Endpoint;
import org.apache.camel.spi.annotations.Component;
import org.apache.camel.support.DefaultComponent;
import org.jspecify.annotations.Nullable;

/// The component `llm`: the step `to: llm:generate` of any route replaces the body by the text generated from it.
@Component("llm")
public final class LlmComponent extends DefaultComponent {
    static final String PATH = "generate";

    private final @Nullable Serving serving;

    /// What generates.
    ///
    /// @param vertx runs the timeouts of generations
    /// @param tools the routes that the model may call
    /// @param requestTimeout for all the answers that one message needs
    public record Serving(Generations generations, Vertx vertx, RouteTools tools, Duration requestTimeout) {}

    /// For Camel's tools, which read what options there are. It generates nothing.
    public LlmComponent() {
        serving = null;
    }

    public LlmComponent(Serving serving) {
        this.serving = serving;
    }

    @Override
    protected Endpoint createEndpoint(String uri, String remaining, Map<String, Object> parameters) throws Exception {
        if (!remaining.equals(PATH)) {
            throw new IllegalArgumentException("llm:" + remaining + " is not known; the one there is is llm:" + PATH);
        }
        var endpoint = new LlmEndpoint(uri, this);
        endpoint.setOperation(remaining);
        LlmOptions.prepare(getCamelContext(), parameters);
        var options = new LlmEndpointConfigurer();
        for (var name : parameters.keySet()) {
            if (options.getOptionType(name, false) == null) {
                throw new IllegalArgumentException(
                        "llm:" + PATH + " has no option " + name + "; it has " + String.join(", ", LlmOptions.names()));
            }
        }
        setProperties(endpoint, parameters);
        endpoint.readOptions();
        return endpoint;
    }

    Serving serving() {
        if (serving == null) {
            throw new IllegalStateException("llm: generates only in a worker; Camel has made a component of its own");
        }
        return serving;
    }
}
