package dev.llmworker.serving.llm;

import dev.llmworker.serving.tools.RouteTools;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.apache.camel.Endpoint;
import org.apache.camel.spi.annotations.Component;
import org.apache.camel.support.DefaultComponent;
import org.apache.camel.util.PropertiesHelper;

/// The component `llm-tool`: a route `from: llm-tool:NAME` is a tool that the model may call. The options are those of
/// Camel's component `ai-tool`, so that a route moves between the two by its scheme.
@Component("llm-tool")
public final class LlmToolComponent extends DefaultComponent {
    static final String PARAMETER = "parameter.";

    private final RouteTools tools;

    /// For Camel's tools, which read what options there are. Nothing calls its routes.
    public LlmToolComponent() {
        this(new RouteTools(Set.of(), List::of));
    }

    public LlmToolComponent(RouteTools tools) {
        this.tools = tools;
    }

    @Override
    protected Endpoint createEndpoint(String uri, String remaining, Map<String, Object> parameters) throws Exception {
        var endpoint = new LlmToolEndpoint(uri, this);
        endpoint.setToolName(remaining);
        endpoint.setParameters(PropertiesHelper.extractProperties(parameters, PARAMETER));
        setProperties(endpoint, parameters);
        endpoint.read();
        return endpoint;
    }

    RouteTools tools() {
        return tools;
    }
}
