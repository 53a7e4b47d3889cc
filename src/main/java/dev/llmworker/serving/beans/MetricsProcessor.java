package dev.llmworker.serving.beans;

import dev.llmworker.stats.PrometheusPage;
import org.apache.camel.Exchange;
import org.apache.camel.Processor;

/// The bean `metrics`: all metrics in Prometheus' text format, or in OpenMetrics' if the client accepts that. It
/// reads counters and never waits for the engine.
final class MetricsProcessor implements Processor {
    private final PrometheusPage metrics;

    MetricsProcessor(PrometheusPage metrics) {
        this.metrics = metrics;
    }

    @Override
    public void process(Exchange exchange) {
        var message = exchange.getMessage();
        var scrape = metrics.scrape(message.getHeader("Accept", String.class));
        message.setHeader(Exchange.CONTENT_TYPE, scrape.contentType());
        message.setBody(scrape.bytes());
    }
}
