package dev.llmworker.stats;

import dev.llmworker.logs.DroppedLines;
import io.prometheus.metrics.model.registry.MultiCollector;
import io.prometheus.metrics.model.snapshots.Labels;
import io.prometheus.metrics.model.snapshots.MetricSnapshots;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Predicate;
import java.util.stream.Collectors;

/// Exports [WorkerStats] to Prometheus. A metric of OpenTelemetry's conventions has its name from there, in
/// Prometheus' spelling; the names of the others begin with `llmworker_`.
///
/// Threading: any thread; it only reads counters and never waits.
final class WorkerCollector implements MultiCollector {
    private static final String PROVIDER = "camel-llm-worker";
    private static final List<String> STATES = List.of("loading", "ready", "failed", "draining");

    private final WorkerStats stats;
    private final HttpStats http;
    private final WorkerIdentity identity;

    WorkerCollector(WorkerStats stats, HttpStats http, WorkerIdentity identity) {
        this.stats = stats;
        this.http = http;
        this.identity = identity;
    }

    @Override
    public MetricSnapshots collect() {
        var snapshots = new Snapshots();
        about(snapshots);
        requests(snapshots);
        tokens(snapshots);
        durations(snapshots);
        engine(snapshots);
        return snapshots.all();
    }

    private void about(Snapshots snapshots) {
        var engine = stats.engine().description();
        var state = identity.state().get();
        var states = new LinkedHashMap<Labels, Integer>();
        STATES.forEach(name -> states.put(Labels.of("state", name), 0));
        states.put(Labels.of("state", state), 1);
        snapshots
                .info("llmworker_build", "The worker's version", Labels.of("version", identity.version()))
                .info(
                        "llmworker_model",
                        "The model that is served",
                        Labels.of(
                                "model",
                                model(),
                                "architecture",
                                engine.architecture(),
                                "weight_format",
                                engine.weightFormat(),
                                "device",
                                engine.device()))
                .gauges(
                        "llmworker_engine_state",
                        "1 for the state that the engine is in, draining before all else",
                        states);
    }

    private String model() {
        return identity.model().get();
    }

    private void requests(Snapshots snapshots) {
        long waiting = stats.engine().waiting();
        snapshots
                .counter("llmworker_generations", "Generations accepted", stats.requests())
                .counters("llmworker_generations_refused", "Generations refused", byReason(stats.refused()))
                .counters("llmworker_generations_finished", "Generations that have ended", byReason(stats.finished()))
                .gauge("llmworker_generations_waiting", "Generations that wait for a slot", waiting)
                .gauge(
                        "llmworker_generations_running",
                        "Generations accepted that neither wait nor have ended",
                        Math.max(0, stats.runningGenerations() - waiting))
                .gauge("llmworker_websocket_connections", "Open WebSocket connections", stats.webSockets())
                .counter(
                        "llmworker_websocket_connections_opened",
                        "WebSocket connections that were opened",
                        stats.webSocketsOpened())
                .counter(
                        "llmworker_log_lines_dropped",
                        "Log lines that were dropped because the log was not read fast enough",
                        DroppedLines.count())
                .histograms(
                        "http_server_request_duration_seconds",
                        "HTTP requests, from the head to the end of the answer",
                        http.durations,
                        answer -> Labels.of(
                                "http_request_method",
                                answer.method(),
                                "http_route",
                                answer.route(),
                                "http_response_status_code",
                                Integer.toString(answer.status())));
    }

    private static Map<Labels, Long> byReason(Map<String, Long> counts) {
        return counts.entrySet().stream()
                .collect(Collectors.toMap(entry -> Labels.of("reason", entry.getKey()), Map.Entry::getValue));
    }

    private void tokens(Snapshots snapshots) {
        snapshots
                .counter("llmworker_prompt_tokens", "Tokens of prompts", stats.promptTokens())
                .counter(
                        "llmworker_cached_prompt_tokens",
                        "Tokens of prompts that lay in the KV cache already",
                        stats.engine().reusedTokens.sum())
                .counter("llmworker_generated_tokens", "Tokens of answers", stats.generatedTokens())
                .counter(
                        "llmworker_wasted_tokens",
                        "Tokens generated that no client was there to read",
                        stats.wastedTokens())
                .histograms(
                        "gen_ai_client_token_usage",
                        "Tokens of a generation",
                        stats.generations().tokens,
                        kind -> operation(kind.operation()).add("gen_ai_token_type", kind.type()));
    }

    /// The usage of the keys whose labels are `shown`. It is no part of [#collect], which is the same for every reader.
    static MetricSnapshots keys(KeyStats keys, Predicate<String> shown) {
        var requests = new LinkedHashMap<Labels, Long>();
        var tokens = new LinkedHashMap<Labels, Long>();
        keys.usages().forEach((label, usage) -> {
            if (!shown.test(label)) {
                return;
            }
            var key = Labels.of("key", label);
            requests.put(key, usage.requests().sum());
            tokens.put(
                    key.add("gen_ai_token_type", "input"), usage.promptTokens().sum());
            tokens.put(
                    key.add("gen_ai_token_type", "output"),
                    usage.generatedTokens().sum());
        });
        return new Snapshots()
                .counters("llmworker_key_generations", "Generations accepted, by API key", requests)
                .counters("llmworker_key_tokens", "Tokens of prompts and answers, by API key", tokens)
                .all();
    }

    private Labels operation(String name) {
        return Labels.of(
                "gen_ai_operation_name", name, "gen_ai_provider_name", PROVIDER, "gen_ai_request_model", model());
    }

    private void durations(Snapshots snapshots) {
        var generations = stats.generations();
        snapshots
                .histograms(
                        "gen_ai_server_request_duration_seconds",
                        "Time of a generation, its wait included",
                        generations.durations,
                        outcome -> operation(outcome.operation()).add("error_type", outcome.errorType()))
                .histograms(
                        "gen_ai_server_time_to_first_token_seconds",
                        "Time from a request to its first token",
                        generations.firstTokens,
                        this::operation)
                .histograms(
                        "gen_ai_server_time_per_output_token_seconds",
                        "Mean time between a generation's tokens, after the first",
                        generations.perToken,
                        this::operation)
                .histogram(
                        "llmworker_queue_duration_seconds",
                        "Time that generations waited until the engine began with them",
                        generations.queued);
    }

    private void engine(Snapshots snapshots) {
        var engine = stats.engine();
        var capacity = engine.description();
        snapshots
                .gauge("llmworker_slots", "Sequences that can be decoded together", capacity.slots())
                .gauge("llmworker_slots_used", "Sequences that have a slot", engine.running())
                .gauge("llmworker_queue_limit", "Generations that may wait", capacity.queueLimit())
                .gauge("llmworker_kv_cache_positions", "Positions of the KV cache", capacity.cachePositions())
                .gauge(
                        "llmworker_kv_cache_used_positions",
                        "Positions of the KV cache that running sequences fill",
                        engine.cachePositions())
                .gauge("llmworker_kv_cache_bytes", "Size of the whole KV cache", capacity.cacheBytes())
                .gauges(
                        "llmworker_kv_cache_kind_bytes",
                        "Size of the KV cache by what layers keep",
                        capacity.cacheBytesByKind().entrySet().stream()
                                .collect(Collectors.toMap(
                                        kind -> Labels.of("kind", kind.getKey()), Map.Entry::getValue)))
                .counter("llmworker_engine_steps", "Steps that the engine has made", engine.steps.sum())
                .counter(
                        "llmworker_engine_busy_seconds",
                        "Time that the engine spent in steps",
                        engine.busyNanos.sum() / 1e9)
                .counter(
                        "llmworker_engine_prefilled_tokens",
                        "Tokens of prompts that went through the model",
                        engine.prefilledTokens.sum())
                .counter(
                        "llmworker_engine_decoded_tokens",
                        "Tokens that the model has sampled",
                        engine.decodedTokens.sum());
    }
}
