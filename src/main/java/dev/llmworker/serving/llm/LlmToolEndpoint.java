package dev.llmworker.serving.llm;

import dev.llmworker.text.chat.ToolArguments;
import java.util.LinkedHashMap;
import java.util.Map;
import org.apache.camel.Category;
import org.apache.camel.Consumer;
import org.apache.camel.Processor;
import org.apache.camel.Producer;
import org.apache.camel.spi.Metadata;
import org.apache.camel.spi.UriEndpoint;
import org.apache.camel.spi.UriParam;
import org.apache.camel.spi.UriPath;
import org.apache.camel.support.DefaultEndpoint;
import org.jspecify.annotations.Nullable;

/// Make a route a tool that the language model of the worker may call.
///
/// Camel's tools read the annotations. After a change of one, run `src/main/generate.sh`.
@UriEndpoint(
        firstVersion = "0.1.0",
        scheme = "llm-tool",
        title = "LLM Tool",
        syntax = "llm-tool:toolName",
        consumerOnly = true,
        category = {Category.AI})
public final class LlmToolEndpoint extends DefaultEndpoint {
    private final LlmToolComponent component;
    private @Nullable ToolArguments arguments;

    @UriPath(description = "The name by which the model calls the tool.")
    @Metadata(required = true)
    private String toolName = "";

    @UriParam(
            description = "Tags, separated by commas. llm:generate names tags in its option tools. A tool without "
                    + "tags is offered by each such step.")
    private @Nullable String tags;

    @UriParam(description = "What the tool does, in words for the model. The default is its name.")
    private @Nullable String description;

    @UriParam(
            prefix = "parameter.",
            multiValue = true,
            description = "The parameters: parameter.NAME=TYPE (string, integer, number or boolean), "
                    + "parameter.NAME.description, parameter.NAME.required=true, and parameter.NAME.enum with values "
                    + "separated by commas.")
    private Map<String, Object> parameters = new LinkedHashMap<>();

    @UriParam(
            description = "In the place of parameter.NAME: a JSON schema of an object, as file:, classpath:, or the "
                    + "schema itself.")
    private @Nullable String argSchema;

    @UriParam(description = "A title for people, which /mcp passes on.")
    private @Nullable String title;

    @UriParam(description = "A hint that the tool changes nothing, which /mcp passes on. Not enforced.")
    private @Nullable Boolean readOnlyHint;

    @UriParam(description = "A hint that the tool may destroy something, which /mcp passes on. Not enforced.")
    private @Nullable Boolean destructiveHint;

    @UriParam(description = "A hint that a repeated call changes nothing more, which /mcp passes on. Not enforced.")
    private @Nullable Boolean idempotentHint;

    @UriParam(description = "A hint that the tool reaches other systems, which /mcp passes on. Not enforced.")
    private @Nullable Boolean openWorldHint;

    LlmToolEndpoint(String uri, LlmToolComponent component) {
        super(uri, component);
        this.component = component;
    }

    /// Reads and checks the options.
    ///
    /// @throws IllegalArgumentException saying what is wrong
    ToolArguments read() throws Exception {
        var read = ToolDeclaration.of(this);
        arguments = read;
        return read;
    }

    /// The title and the hints, as MCP has them.
    Map<String, Object> annotations() {
        var known = new LinkedHashMap<String, Object>();
        putUnlessNull(known, "title", title);
        putUnlessNull(known, "readOnlyHint", readOnlyHint);
        putUnlessNull(known, "destructiveHint", destructiveHint);
        putUnlessNull(known, "idempotentHint", idempotentHint);
        putUnlessNull(known, "openWorldHint", openWorldHint);
        return known;
    }

    private static void putUnlessNull(Map<String, Object> map, String name, @Nullable Object value) {
        if (value != null) {
            map.put(name, value);
        }
    }

    @Override
    public Producer createProducer() {
        throw new UnsupportedOperationException(
                "llm-tool: cannot be used in to:; it begins a route, from: llm-tool:NAME");
    }

    @Override
    public Consumer createConsumer(Processor processor) throws Exception {
        var read = arguments == null ? read() : arguments;
        var consumer = new LlmToolConsumer(this, processor, component.tools(), read, ToolDeclaration.list(tags));
        configureConsumer(consumer);
        return consumer;
    }

    public String getToolName() {
        return toolName;
    }

    public void setToolName(String toolName) {
        this.toolName = toolName;
    }

    public @Nullable String getTags() {
        return tags;
    }

    public void setTags(@Nullable String tags) {
        this.tags = tags;
    }

    public @Nullable String getDescription() {
        return description;
    }

    public void setDescription(@Nullable String description) {
        this.description = description;
    }

    public Map<String, Object> getParameters() {
        return parameters;
    }

    public void setParameters(Map<String, Object> parameters) {
        this.parameters = parameters;
    }

    public @Nullable String getArgSchema() {
        return argSchema;
    }

    public void setArgSchema(@Nullable String argSchema) {
        this.argSchema = argSchema;
    }

    public @Nullable String getTitle() {
        return title;
    }

    public void setTitle(@Nullable String title) {
        this.title = title;
    }

    public @Nullable Boolean getReadOnlyHint() {
        return readOnlyHint;
    }

    public void setReadOnlyHint(@Nullable Boolean readOnlyHint) {
        this.readOnlyHint = readOnlyHint;
    }

    public @Nullable Boolean getDestructiveHint() {
        return destructiveHint;
    }

    public void setDestructiveHint(@Nullable Boolean destructiveHint) {
        this.destructiveHint = destructiveHint;
    }

    public @Nullable Boolean getIdempotentHint() {
        return idempotentHint;
    }

    public void setIdempotentHint(@Nullable Boolean idempotentHint) {
        this.idempotentHint = idempotentHint;
    }

    public @Nullable Boolean getOpenWorldHint() {
        return openWorldHint;
    }

    public void setOpenWorldHint(@Nullable Boolean openWorldHint) {
        this.openWorldHint = openWorldHint;
    }
}
