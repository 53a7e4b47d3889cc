package dev.llmworker.stats;

import io.micrometer.core.instrument.FunctionCounter;
import io.micrometer.core.instrument.Gauge;
import io.micrometer.core.instrument.MeterRegistry;
import java.util.List;
import java.util.function.ToDoubleFunction;

/// Shows [WorkerStats] as meters, which are read only when someone looks. Token counts have the name that
/// OpenTelemetry's GenAI conventions give them; what these do not know is under `worker.`.
public final class WorkerMeters {
    private static final String TOKENS = "gen_ai.client.token.usage";
    private static final List<String> FINISH_REASONS = List.of("stop", "length", "cancelled", "timeout", "error");
    private static final List<String> REFUSALS = List.of("invalid", "loading", "overloaded", "failed");

    private WorkerMeters() {}

    public static void bind(WorkerStats stats, MeterRegistry meters) {
        KeyMeters.bind(stats.keys(), meters);
        counter("worker.requests", "Generations accepted", "", "", stats, WorkerStats::requests, meters);
        for (var reason : REFUSALS) {
            counter(
                    "worker.requests.refused",
                    "Generations refused",
                    "reason",
                    reason,
                    stats,
                    source -> source.refused(reason),
                    meters);
        }
        for (var reason : FINISH_REASONS) {
            counter(
                    "worker.generations.finished",
                    "Generations ended",
                    "gen_ai.response.finish_reason",
                    reason,
                    stats,
                    source -> source.finished(reason),
                    meters);
        }
        var type = "gen_ai.token.type";
        counter(TOKENS, "Tokens of prompts and answers", type, "input", stats, WorkerStats::promptTokens, meters);
        counter(TOKENS, "Tokens of prompts and answers", type, "output", stats, WorkerStats::generatedTokens, meters);
        counter(
                "worker.tokens.wasted",
                "Tokens generated for clients that had left",
                "",
                "",
                stats,
                WorkerStats::wastedTokens,
                meters);
        gauge(
                "worker.generations.active",
                "Generations that wait or run",
                stats,
                WorkerStats::runningGenerations,
                meters);
        gauge("worker.websocket.connections", "Open WebSocket connections", stats, WorkerStats::webSockets, meters);
    }

    private static void counter(
            String name,
            String description,
            String tag,
            String tagValue,
            WorkerStats stats,
            ToDoubleFunction<WorkerStats> value,
            MeterRegistry meters) {
        var builder = FunctionCounter.builder(name, stats, value).description(description);
        if (!tag.isEmpty()) {
            builder.tag(tag, tagValue);
        }
        builder.register(meters);
    }

    private static void gauge(
            String name,
            String description,
            WorkerStats stats,
            ToDoubleFunction<WorkerStats> value,
            MeterRegistry meters) {
        Gauge.builder(name, stats, value).description(description).register(meters);
    }
}
