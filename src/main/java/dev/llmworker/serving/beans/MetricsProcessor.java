package dev.llmworker.serving.beans;

import dev.llmworker.serving.access.ApiKeys;
import dev.llmworker.serving.connection.Client;
import dev.llmworker.serving.wire.JsonError;
import dev.llmworker.serving.wire.RequestException;
import dev.llmworker.stats.PrometheusPage;
import org.apache.camel.Exchange;
import org.apache.camel.Processor;

/// The bean `metrics`: all metrics in Prometheus' text format, or in OpenMetrics' if the client accepts that. It
/// reads counters and never waits for the engine.
///
/// A key for metrics sees the usage of all keys. Without such keys, a client sees its own.
record MetricsProcessor(PrometheusPage metrics, ApiKeys readers) implements Processor {
    @Override
    public void process(Exchange exchange) {
        var key = Client.of(exchange).key();
        // Checked here and not by the path, which a client may spell in many ways.
        if (readers.areWanted() && !readers.has(key)) {
            throw new RequestException(
                    key == null
                            ? JsonError.of(
                                    401, "missing_api_key", "the API key is missing; metrics need a key for metrics")
                            : JsonError.of(401, "invalid_api_key", "this API key is not for metrics"));
        }
        var message = exchange.getMessage();
        var scrape = metrics.scrape(
                message.getHeader("Accept", String.class),
                label -> readers.areWanted() || key != null && key.label().equals(label));
        message.setHeader(Exchange.CONTENT_TYPE, scrape.contentType());
        message.setBody(scrape.bytes());
    }
}
