package dev.llmworker.serving.llm;

import dev.llmworker.serving.connection.Client;
import dev.llmworker.serving.tools.RouteTool;
import dev.llmworker.serving.tools.RouteTools;
import dev.llmworker.serving.wire.Json;
import dev.llmworker.text.chat.ToolArguments;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.apache.camel.Exchange;
import org.apache.camel.Processor;
import org.apache.camel.Suspendable;
import org.apache.camel.support.DefaultConsumer;
import org.jspecify.annotations.Nullable;

/// The consumer of a route that is a tool. It is a tool from its start to its stop. A suspended one, which a newer
/// version of its file is about to replace, serves until the newer one starts.
///
/// Threading: any thread.
final class LlmToolConsumer extends DefaultConsumer implements RouteTool, Suspendable {
    private static final String NO_RESULT = "No result";
    /// What belongs to the exchange of the caller alone.
    private static final String OWN_PROPERTIES = "llmworker.";

    private final RouteTools tools;
    private final ToolArguments arguments;
    private final Set<String> tags;
    private final Map<String, Object> annotations;

    LlmToolConsumer(
            LlmToolEndpoint endpoint,
            Processor processor,
            RouteTools tools,
            ToolArguments arguments,
            Collection<String> tags) {
        super(endpoint, processor);
        this.tools = tools;
        this.arguments = arguments;
        this.tags = Set.copyOf(tags);
        this.annotations = endpoint.annotations();
    }

    @Override
    protected void doStart() throws Exception {
        super.doStart();
        tools.add(this);
    }

    @Override
    protected void doStop() throws Exception {
        tools.remove(this);
        super.doStop();
    }

    @Override
    public ToolArguments arguments() {
        return arguments;
    }

    @Override
    public Map<String, Object> annotations() {
        return annotations;
    }

    @Override
    public Set<String> tags() {
        return tags;
    }

    @Override
    public String route() {
        return getRouteId();
    }

    @Override
    public String call(Map<String, @Nullable Object> values, Exchange caller) throws Exception {
        var exchange = exchange(this, caller);
        try {
            values.forEach(exchange.getMessage()::setHeader);
            getProcessor().process(exchange);
            var failure = exchange.getException();
            if (failure != null) {
                throw failure;
            }
            return text(exchange);
        } finally {
            releaseExchange(exchange, false);
        }
    }

    /// An exchange for the route of a tool. It has the properties and variables of the caller's exchange, and its
    /// client, but neither its body nor its headers.
    static Exchange exchange(DefaultConsumer tool, Exchange caller) {
        var exchange = tool.createExchange(false);
        caller.getProperties().forEach((name, value) -> {
            if (!name.startsWith(OWN_PROPERTIES)) {
                exchange.setProperty(name, value);
            }
        });
        caller.getVariables().forEach(exchange::setVariable);
        Client.of(caller).travelWith(exchange);
        return exchange;
    }

    private static String text(Exchange exchange) {
        var body = exchange.getMessage().getBody();
        if (body instanceof Map || body instanceof List) {
            return Json.text(body);
        }
        var text = exchange.getMessage().getBody(String.class);
        return text == null ? NO_RESULT : text;
    }
}
