package dev.llmworker.serving.llm;

import org.apache.camel.Consumer;
import org.apache.camel.Processor;
import org.apache.camel.Producer;
import org.apache.camel.support.DefaultEndpoint;

/// A step `llm:generate` of a route, with its options.
final class LlmEndpoint extends DefaultEndpoint {
    private final LlmComponent component;
    private final LlmOptions options;

    LlmEndpoint(String uri, LlmComponent component, LlmOptions options) {
        super(uri, component);
        this.component = component;
        this.options = options;
    }

    @Override
    public Producer createProducer() {
        return new LlmProducer(this, component.generations(), component.vertx(), options);
    }

    @Override
    public Consumer createConsumer(Processor processor) {
        throw new UnsupportedOperationException("llm: begins no route; it is a step: to: llm:" + LlmComponent.PATH);
    }

    /// A step has no state of its own to tell two of the same options apart by.
    @Override
    public boolean isSingletonProducer() {
        return true;
    }
}
