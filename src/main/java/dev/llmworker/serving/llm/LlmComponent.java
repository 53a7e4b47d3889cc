package dev.llmworker.serving.llm;

import dev.llmworker.serving.delivery.Generations;
import io.vertx.core.Vertx;
import java.time.Duration;
import java.util.Map;
import org.apache.camel.Component;
import org.apache.camel.Endpoint;
import org.apache.camel.support.DefaultComponent;

/// The component `llm`: `to: llm:generate` makes the body's text of its prompt, in any route.
public final class LlmComponent extends DefaultComponent implements Component {
    static final String PATH = "generate";

    private final Generations generations;
    private final Vertx vertx;

    /// @param vertx looks after running generations
    public LlmComponent(Generations generations, Vertx vertx) {
        this.generations = generations;
        this.vertx = vertx;
    }

    @Override
    protected Endpoint createEndpoint(String uri, String remaining, Map<String, Object> parameters) {
        if (!remaining.equals(PATH)) {
            throw new IllegalArgumentException("llm:" + remaining + " is not known; the one there is is llm:" + PATH);
        }
        var timeout = getAndRemoveParameter(parameters, "timeout", Duration.class, Duration.ZERO);
        var patience = getAndRemoveParameter(parameters, "patience", Duration.class, Duration.ZERO);
        return new LlmEndpoint(uri, this, LlmOptions.take(parameters, timeout, patience));
    }

    Generations generations() {
        return generations;
    }

    Vertx vertx() {
        return vertx;
    }
}
