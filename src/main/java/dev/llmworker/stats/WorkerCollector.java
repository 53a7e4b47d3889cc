package dev.llmworker.stats;

import dev.llmworker.logs.DroppedLines;
import io.prometheus.metrics.model.registry.MultiCollector;
import io.prometheus.metrics.model.snapshots.CounterSnapshot;
import io.prometheus.metrics.model.snapshots.CounterSnapshot.CounterDataPointSnapshot;
import io.prometheus.metrics.model.snapshots.GaugeSnapshot;
import io.prometheus.metrics.model.snapshots.GaugeSnapshot.GaugeDataPointSnapshot;
import io.prometheus.metrics.model.snapshots.InfoSnapshot;
import io.prometheus.metrics.model.snapshots.InfoSnapshot.InfoDataPointSnapshot;
import io.prometheus.metrics.model.snapshots.Labels;
import io.prometheus.metrics.model.snapshots.MetricSnapshot;
import io.prometheus.metrics.model.snapshots.MetricSnapshots;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import java.util.function.Predicate;
import java.util.stream.Collectors;

/// Exports [WorkerStats] to Prometheus. A metric of OpenTelemetry's conventions has its name from there, in
/// Prometheus' spelling; the names of the others begin with `llmworker_`.
///
/// Threading: any thread; it only reads counters and never waits.
record WorkerCollector(WorkerStats stats, HttpStats http, WorkerIdentity identity) implements MultiCollector {
    private static final String PROVIDER = "camel-llm-worker";
    private static final List<String> STATES = List.of("loading", "ready", "failed", "draining");

    @Override
    public MetricSnapshots collect() {
        var metrics = new Snapshots();
        about(metrics);
        requests(metrics);
        tokens(metrics);
        durations(metrics);
        engine(metrics);
        return new MetricSnapshots(metrics.all);
    }

    private void about(Snapshots metrics) {
        var engine = stats.engine().description;
        var model = Labels.of("model", model(), "architecture", engine.architecture());
        var state = identity.state().get();
        var states = new LinkedHashMap<Labels, Integer>();
        STATES.forEach(name -> states.put(Labels.of("state", name), 0));
        states.put(Labels.of("state", state), 1);
        metrics.info("llmworker_build", "The worker's version", Labels.of("version", identity.version()));
        metrics.info(
                "llmworker_model",
                "The model that is served",
                model.add("weight_format", engine.weightFormat()).add("device", engine.device()));
        metrics.gauges(
                "llmworker_engine_state", "1 for the state that the engine is in, draining before all else", states);
    }

    private String model() {
        return identity.model().get();
    }

    private void requests(Snapshots metrics) {
        long waiting = stats.engine().waiting();
        long running = Math.max(0, stats.runningGenerations() - waiting);
        metrics.counter("llmworker_generations", "Generations accepted", stats.requests());
        metrics.counters("llmworker_generations_refused", "Generations refused", byReason(stats.refused()));
        metrics.counters("llmworker_generations_finished", "Generations that have ended", byReason(stats.finished()));
        metrics.gauge("llmworker_generations_waiting", "Generations that wait for a slot", waiting);
        metrics.gauge(
                "llmworker_generations_running", "Generations accepted that neither wait nor have ended", running);
        metrics.gauge("llmworker_websocket_connections", "Open WebSocket connections", stats.webSockets());
        metrics.counter(
                "llmworker_websocket_connections_opened",
                "WebSocket connections that were opened",
                stats.webSocketsOpened());
        metrics.counter(
                "llmworker_log_lines_dropped",
                "Log lines that were dropped because the log was not read fast enough",
                DroppedLines.count());
        metrics.histogram(
                "http_server_request_duration_seconds",
                "HTTP requests, from the head to the end of the answer",
                http.durations,
                answer -> Labels.of("http_request_method", answer.method(), "http_route", answer.route())
                        .add("http_response_status_code", Integer.toString(answer.status())));
    }

    private static Map<Labels, Long> byReason(Map<String, Long> counts) {
        return counts.entrySet().stream()
                .collect(Collectors.toMap(entry -> Labels.of("reason", entry.getKey()), Map.Entry::getValue));
    }

    private void tokens(Snapshots metrics) {
        metrics.counter("llmworker_prompt_tokens", "Tokens of prompts", stats.promptTokens());
        metrics.counter(
                "llmworker_cached_prompt_tokens",
                "Tokens of prompts that lay in the KV cache already",
                stats.engine().reusedTokens.sum());
        metrics.counter("llmworker_generated_tokens", "Tokens of answers", stats.generatedTokens());
        metrics.counter(
                "llmworker_wasted_tokens", "Tokens generated that no client was there to read", stats.wastedTokens());
        metrics.histogram(
                "gen_ai_client_token_usage",
                "Tokens of a generation",
                stats.generations().tokens,
                kind -> operation(kind.operation()).add("gen_ai_token_type", kind.type()));
    }

    /// The usage of the keys whose labels are `shown`. It is no part of [#collect], which is the same for every reader.
    static MetricSnapshots keys(KeyStats keys, Predicate<String> shown) {
        var requests = new LinkedHashMap<Labels, Long>();
        var tokens = new LinkedHashMap<Labels, Long>();
        var refused = new LinkedHashMap<Labels, Long>();
        keys.usages().forEach((label, usage) -> {
            if (shown.test(label)) {
                var key = Labels.of("key", label);
                requests.put(key, usage.requests().sum());
                tokens.put(
                        key.add("gen_ai_token_type", "input"),
                        usage.promptTokens().sum());
                tokens.put(
                        key.add("gen_ai_token_type", "output"),
                        usage.generatedTokens().sum());
                usage.refused().forEach((reason, count) -> refused.put(key.add("reason", reason), count.sum()));
            }
        });
        var metrics = new Snapshots();
        metrics.counters("llmworker_key_generations", "Generations accepted, by API key", requests);
        metrics.counters("llmworker_key_tokens", "Tokens of prompts and answers, by API key", tokens);
        metrics.counters(
                "llmworker_key_generations_refused",
                "Generations refused because an API key has used up a limit, by API key",
                refused);
        return new MetricSnapshots(metrics.all);
    }

    private Labels operation(String name) {
        return Labels.of(
                "gen_ai_operation_name", name, "gen_ai_provider_name", PROVIDER, "gen_ai_request_model", model());
    }

    private void durations(Snapshots metrics) {
        var generations = stats.generations();
        metrics.histogram(
                "gen_ai_server_request_duration_seconds",
                "Time of a generation, its wait included",
                generations.durations,
                outcome -> operation(outcome.operation()).add("error_type", outcome.errorType()));
        metrics.histogram(
                "gen_ai_server_time_to_first_token_seconds",
                "Time from a request to its first token",
                generations.firstTokens,
                this::operation);
        metrics.histogram(
                "gen_ai_server_time_per_output_token_seconds",
                "Mean time between a generation's tokens, after the first",
                generations.perToken,
                this::operation);
        metrics.histogram(
                "llmworker_queue_duration_seconds",
                "Time that generations waited until the engine began with them",
                generations.queued,
                _ -> Labels.EMPTY);
    }

    private void engine(Snapshots metrics) {
        var engine = stats.engine();
        var capacity = engine.description;
        metrics.gauge("llmworker_slots", "Sequences that can be decoded together", capacity.slots());
        metrics.gauge("llmworker_slots_used", "Sequences that have a slot", engine.running);
        metrics.gauge("llmworker_queue_limit", "Generations that may wait", capacity.queueLimit());
        metrics.gauge("llmworker_kv_cache_positions", "Positions of the KV cache", capacity.cachePositions());
        metrics.gauge(
                "llmworker_kv_cache_used_positions",
                "Positions of the KV cache that running sequences fill",
                engine.cachePositions);
        metrics.gauge("llmworker_kv_cache_bytes", "Size of the whole KV cache", capacity.cacheBytes());
        metrics.gauges(
                "llmworker_kv_cache_kind_bytes",
                "Size of the KV cache by what layers keep",
                capacity.cacheBytesByKind().entrySet().stream()
                        .collect(Collectors.toMap(kind -> Labels.of("kind", kind.getKey()), Map.Entry::getValue)));
        metrics.gauge(
                "llmworker_prefix_cache_bytes", "Main memory that evicted prefixes take", engine.evictedPrefixBytes);
        metrics.gauge(
                "llmworker_prefix_cache_limit_bytes",
                "Main memory that evicted prefixes may take",
                engine.evictedPrefixMostBytes);
        metrics.counter(
                "llmworker_prefix_cache_hits",
                "Prompts that got an evicted prefix back",
                engine.restoredPrefixes.sum());
        metrics.counter(
                "llmworker_prefix_cache_evictions",
                "Evicted prefixes that were dropped to make room for others",
                engine.droppedPrefixes.sum());
        metrics.counter(
                "llmworker_preemptions",
                "Generations that lost their room in the KV cache, and were computed again",
                engine.preemptions.sum());
        metrics.counter("llmworker_draft_tokens", "Draft tokens that speculation has tried", engine.draftTokens.sum());
        metrics.counter(
                "llmworker_draft_tokens_accepted",
                "Draft tokens that were right, and saved a step",
                engine.acceptedDraftTokens.sum());
        metrics.counter("llmworker_engine_steps", "Steps that the engine has made", engine.steps.sum());
        metrics.counter(
                "llmworker_engine_busy_seconds", "Time that the engine spent in steps", engine.busyNanos.sum() / 1e9);
        metrics.counter(
                "llmworker_engine_prefilled_tokens",
                "Tokens of prompts that went through the model",
                engine.prefilledTokens.sum());
        metrics.counter(
                "llmworker_engine_decoded_tokens", "Tokens that the model has sampled", engine.decodedTokens.sum());
        metrics.counter(
                "llmworker_engine_restarts",
                "How often the server of ENGINE_COMMAND was started again",
                engine.restarts.sum());
    }

    /// The current values of metrics. The names of counters are without `_total`.
    private static final class Snapshots {
        private final List<MetricSnapshot> all = new ArrayList<>();

        void counter(String name, String help, double value) {
            counters(name, help, Map.of(Labels.EMPTY, value));
        }

        void counters(String name, String help, Map<Labels, ? extends Number> values) {
            var counter = CounterSnapshot.builder().name(name).help(help);
            values.forEach((labels, value) ->
                    counter.dataPoint(new CounterDataPointSnapshot(value.doubleValue(), labels, null, 0)));
            all.add(counter.build());
        }

        void gauge(String name, String help, double value) {
            gauges(name, help, Map.of(Labels.EMPTY, value));
        }

        void gauges(String name, String help, Map<Labels, ? extends Number> values) {
            var gauge = GaugeSnapshot.builder().name(name).help(help);
            values.forEach(
                    (labels, value) -> gauge.dataPoint(new GaugeDataPointSnapshot(value.doubleValue(), labels, null)));
            all.add(gauge.build());
        }

        /// A metric that carries its information in its labels.
        ///
        /// @param name without `_info`
        void info(String name, String help, Labels labels) {
            all.add(InfoSnapshot.builder()
                    .name(name)
                    .help(help)
                    .dataPoint(new InfoDataPointSnapshot(labels))
                    .build());
        }

        <K> void histogram(String name, String help, Histogram<K> histogram, Function<K, Labels> labels) {
            all.add(histogram.snapshot(name, help, labels));
        }
    }
}
