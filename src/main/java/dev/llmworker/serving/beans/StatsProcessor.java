package dev.llmworker.serving.beans;

import dev.llmworker.serving.camel.EventLoopProcessor;
import dev.llmworker.serving.wire.Json;
import dev.llmworker.serving.wire.JsonError;
import dev.llmworker.stats.WorkerStats;
import java.util.LinkedHashMap;
import org.apache.camel.Exchange;

/// The bean `stats`: the two counters that clients of `/stats` know.
record StatsProcessor(WorkerStats stats) implements EventLoopProcessor {
    @Override
    public void process(Exchange exchange) {
        var counters = new LinkedHashMap<String, Object>();
        counters.put("total_requests", stats.requests());
        counters.put("active_websocket_connections", stats.webSockets());
        exchange.getMessage().setHeader(Exchange.CONTENT_TYPE, JsonError.CONTENT_TYPE);
        exchange.getMessage().setBody(Json.bytes(counters));
    }
}
