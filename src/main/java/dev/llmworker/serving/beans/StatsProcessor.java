package dev.llmworker.serving.beans;

import dev.llmworker.serving.camel.EventLoopProcessor;
import dev.llmworker.serving.wire.JsonError;
import dev.llmworker.stats.WorkerStats;
import java.nio.charset.StandardCharsets;
import org.apache.camel.Exchange;

/// The bean `stats`: the two counters that clients of `/stats` know.
final class StatsProcessor implements EventLoopProcessor {
    private final WorkerStats stats;

    StatsProcessor(WorkerStats stats) {
        this.stats = stats;
    }

    @Override
    public void process(Exchange exchange) {
        var json = "{\"total_requests\":" + stats.requests() + ",\"active_websocket_connections\":" + stats.webSockets()
                + "}";
        exchange.getMessage().setHeader(Exchange.CONTENT_TYPE, JsonError.CONTENT_TYPE);
        exchange.getMessage().setBody(json.getBytes(StandardCharsets.UTF_8));
    }
}
