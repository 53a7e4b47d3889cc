package dev.llmworker.stats;

import io.micrometer.core.instrument.FunctionCounter;
import io.micrometer.core.instrument.MeterRegistry;
import java.util.function.ToDoubleFunction;

/// Shows [KeyStats] as meters. A key's are there from its first request on.
final class KeyMeters {
    private final KeyStats stats;
    private final MeterRegistry meters;

    private KeyMeters(KeyStats stats, MeterRegistry meters) {
        this.stats = stats;
        this.meters = meters;
    }

    static void bind(KeyStats stats, MeterRegistry meters) {
        stats.whenNew(new KeyMeters(stats, meters)::register);
    }

    private void register(String label) {
        counter("worker.key.requests", "Generations accepted, by API key", label, "", it -> it.requests(label));
        var tokens = "Tokens of prompts and answers, by API key";
        counter("worker.key.tokens", tokens, label, "input", it -> it.promptTokens(label));
        counter("worker.key.tokens", tokens, label, "output", it -> it.generatedTokens(label));
    }

    private void counter(String name, String description, String label, String type, ToDoubleFunction<KeyStats> value) {
        var builder = FunctionCounter.builder(name, stats, value)
                .description(description)
                .tag("key", label);
        if (!type.isEmpty()) {
            builder.tag("gen_ai.token.type", type);
        }
        builder.register(meters);
    }
}
