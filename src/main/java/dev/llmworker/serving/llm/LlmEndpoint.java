package dev.llmworker.serving.llm;

import dev.llmworker.serving.tools.ToolLoop;
import java.io.IOException;
import java.time.Duration;
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

/// Generate text with the language model of the worker, or make embeddings, or rank documents.
///
/// Camel's tools read the annotations. After a change of one, run `src/main/generate.sh`.
@UriEndpoint(
        firstVersion = "0.1.0",
        scheme = "llm",
        title = "LLM",
        syntax = "llm:operation",
        producerOnly = true,
        category = {Category.AI},
        headersClass = LlmConstants.class)
public final class LlmEndpoint extends DefaultEndpoint {
    private final LlmComponent component;
    /// What the parameters say, read and checked when the route was loaded.
    private @Nullable LlmOptions options;

    private LlmComponent.Operation does = LlmComponent.Operation.GENERATE;

    @UriPath(
            enums = "generate,embed,rerank",
            description = "What to do: generate replaces the body by the answer generated from it, embed by the "
                    + "embedding of its text or of each of its texts, rerank by its documents, the best first.")
    @Metadata(required = true)
    private String operation = LlmComponent.Operation.GENERATE.path();

    @UriParam(description = "The most tokens of the text. The default is that of POST /generate, 100.")
    private @Nullable Long maxTokens;

    @UriParam(description = "From 0, always the likeliest token, to 2. The default is that of POST /generate, 0.7.")
    private @Nullable Double temperature;

    @UriParam(description = "Samples from this many of the likeliest tokens; 0 or -1 for all.")
    private @Nullable Long topK;

    @UriParam(description = "Samples from the likeliest tokens that together have this probability, 0 to 1.")
    private @Nullable Double topP;

    @UriParam(description = "Samples from tokens that have at least this share of the likeliest one's probability.")
    private @Nullable Double minP;

    @UriParam(description = "The same seed gives the same text.")
    private @Nullable Long seed;

    @UriParam(description = "Sends the prompt as it is, without the model's chat template.")
    private @Nullable Boolean raw;

    @UriParam(description = "Generates on after the model's end-of-sequence token.")
    private @Nullable Boolean ignoreEos;

    @UriParam(description = "The least tokens of the text before it may end.")
    private @Nullable Long minTokens;

    @UriParam(
            description = "The text ends before the first of these words. A message may have a list in the "
                    + "header CamelLlmStop.")
    private @Nullable String stop;

    @UriParam(description = "Lowers the logits of tokens that the text has already, -2 to 2.")
    private @Nullable Double presencePenalty;

    @UriParam(description = "Lowers the logits of tokens by how often the text has them already, -2 to 2.")
    private @Nullable Double frequencyPenalty;

    @UriParam(description = "Divides the logits of tokens that the prompt or the text has already; 1 changes nothing.")
    private @Nullable Double repetitionPenalty;

    @UriParam(
            description = "A JSON schema that the answer must match: file:, classpath:, or the schema itself. "
                    + "The body is then the parsed value: a Map, a List, a String, a number, a Boolean or "
                    + "null.")
    private @Nullable String schema;

    @UriParam(
            enums = "text,json_object,json_schema",
            description = "json_object: the answer is any JSON object, and the body is a Map. json_schema: it matches "
                    + "the option schema. text: it is any text.")
    private @Nullable String responseFormat;

    @UriParam(description = "A regular expression that the whole text must match.")
    private @Nullable String regex;

    @UriParam(description = "The texts that the answer may be, separated by commas.")
    private @Nullable String choice;

    @UriParam(
            description = "Tags, separated by commas. The model may call the routes from llm-tool: that have one of "
                    + "them, and those without tags.")
    private @Nullable String tools;

    @UriParam(
            defaultValue = "8",
            description = "With tools: the most answers whose calls are run. If the model then still calls tools, the "
                    + "step fails.")
    private int maxToolRounds = ToolLoop.DEFAULT_ROUNDS;

    @UriParam(
            javaType = "java.time.Duration",
            description =
                    "The longest time for a text, such as 30s, counted from acceptance. There is none by default.")
    private Duration timeout = Duration.ZERO;

    @UriParam(
            javaType = "java.time.Duration",
            defaultValue = "0",
            description =
                    "How long a message waits while the model loads or the queue is full, such as 10m; 0 rejects it"
                            + " immediately.")
    private Duration patience = Duration.ZERO;

    @UriParam(description = "Of embed: how many values each embedding has. The default is all that the model makes.")
    private @Nullable Long dimensions;

    @UriParam(description = "Of rerank: what the documents should answer.")
    private @Nullable String query;

    @UriParam(
            description = "Of rerank: what the query is for. The default is that of POST /v1/rerank, to retrieve "
                    + "passages that answer a web search.")
    private @Nullable String instruction;

    @UriParam(description = "Of rerank: the most documents that stay. The default is all.")
    private @Nullable Long topN;

    LlmEndpoint(String uri, LlmComponent component) {
        super(uri, component);
        this.component = component;
    }

    @Override
    public Producer createProducer() throws IOException {
        if (does != LlmComponent.Operation.GENERATE) {
            return new VectorProducer(this, component.serving(), does, VectorOptions.of(this));
        }
        var read = options == null ? readOptions() : options;
        return new LlmProducer(this, component.serving(), read);
    }

    /// Reads the options, to report what is wrong with them while the route is loaded.
    void check(LlmComponent.Operation operation) throws IOException {
        does = operation;
        if (operation == LlmComponent.Operation.GENERATE) {
            var _ = readOptions();
        }
    }

    LlmOptions readOptions() throws IOException {
        var read = LlmOptions.of(this);
        read.check();
        options = read;
        return read;
    }

    @Override
    public Consumer createConsumer(Processor processor) {
        throw new UnsupportedOperationException("llm: cannot be used in from:; it is a step, to: llm:" + operation);
    }

    /// A step has no state of its own to tell two of the same options apart by.
    @Override
    public boolean isSingletonProducer() {
        return true;
    }

    public String getOperation() {
        return operation;
    }

    public void setOperation(String operation) {
        this.operation = operation;
    }

    public @Nullable Long getMaxTokens() {
        return maxTokens;
    }

    public void setMaxTokens(@Nullable Long maxTokens) {
        this.maxTokens = maxTokens;
    }

    public @Nullable Double getTemperature() {
        return temperature;
    }

    public void setTemperature(@Nullable Double temperature) {
        this.temperature = temperature;
    }

    public @Nullable Long getTopK() {
        return topK;
    }

    public void setTopK(@Nullable Long topK) {
        this.topK = topK;
    }

    public @Nullable Double getTopP() {
        return topP;
    }

    public void setTopP(@Nullable Double topP) {
        this.topP = topP;
    }

    public @Nullable Double getMinP() {
        return minP;
    }

    public void setMinP(@Nullable Double minP) {
        this.minP = minP;
    }

    public @Nullable Long getSeed() {
        return seed;
    }

    public void setSeed(@Nullable Long seed) {
        this.seed = seed;
    }

    public @Nullable Boolean getRaw() {
        return raw;
    }

    public void setRaw(@Nullable Boolean raw) {
        this.raw = raw;
    }

    public @Nullable Boolean getIgnoreEos() {
        return ignoreEos;
    }

    public void setIgnoreEos(@Nullable Boolean ignoreEos) {
        this.ignoreEos = ignoreEos;
    }

    public Duration getTimeout() {
        return timeout;
    }

    public void setTimeout(Duration timeout) {
        this.timeout = timeout;
    }

    public Duration getPatience() {
        return patience;
    }

    public void setPatience(Duration patience) {
        this.patience = patience;
    }

    public @Nullable Long getMinTokens() {
        return minTokens;
    }

    public void setMinTokens(@Nullable Long minTokens) {
        this.minTokens = minTokens;
    }

    public @Nullable String getStop() {
        return stop;
    }

    public void setStop(@Nullable String stop) {
        this.stop = stop;
    }

    public @Nullable Double getPresencePenalty() {
        return presencePenalty;
    }

    public void setPresencePenalty(@Nullable Double presencePenalty) {
        this.presencePenalty = presencePenalty;
    }

    public @Nullable Double getFrequencyPenalty() {
        return frequencyPenalty;
    }

    public void setFrequencyPenalty(@Nullable Double frequencyPenalty) {
        this.frequencyPenalty = frequencyPenalty;
    }

    public @Nullable Double getRepetitionPenalty() {
        return repetitionPenalty;
    }

    public void setRepetitionPenalty(@Nullable Double repetitionPenalty) {
        this.repetitionPenalty = repetitionPenalty;
    }

    public @Nullable String getSchema() {
        return schema;
    }

    public void setSchema(@Nullable String schema) {
        this.schema = schema;
    }

    public @Nullable String getResponseFormat() {
        return responseFormat;
    }

    public void setResponseFormat(@Nullable String responseFormat) {
        this.responseFormat = responseFormat;
    }

    public @Nullable String getRegex() {
        return regex;
    }

    public void setRegex(@Nullable String regex) {
        this.regex = regex;
    }

    public @Nullable String getChoice() {
        return choice;
    }

    public void setChoice(@Nullable String choice) {
        this.choice = choice;
    }

    public @Nullable String getTools() {
        return tools;
    }

    public void setTools(@Nullable String tools) {
        this.tools = tools;
    }

    public @Nullable Long getDimensions() {
        return dimensions;
    }

    public void setDimensions(@Nullable Long dimensions) {
        this.dimensions = dimensions;
    }

    public @Nullable String getQuery() {
        return query;
    }

    public void setQuery(@Nullable String query) {
        this.query = query;
    }

    public @Nullable String getInstruction() {
        return instruction;
    }

    public void setInstruction(@Nullable String instruction) {
        this.instruction = instruction;
    }

    public @Nullable Long getTopN() {
        return topN;
    }

    public void setTopN(@Nullable Long topN) {
        this.topN = topN;
    }

    public int getMaxToolRounds() {
        return maxToolRounds;
    }

    public void setMaxToolRounds(int maxToolRounds) {
        this.maxToolRounds = maxToolRounds;
    }
}
