package dev.llmworker.stats;

import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;

/// The durations and token counts of generations, in the histograms of OpenTelemetry's GenAI conventions with the
/// recommended buckets.
///
/// Threading: any thread.
final class GenerationStats {
    private static final double NANOS = 1e9;
    private static final double[] DURATIONS = {
        0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92
    };
    private static final double[] FIRST_TOKENS = {
        0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10
    };
    private static final double[] PER_TOKEN = {0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 2.5};
    private static final double[] TOKENS = {
        1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304, 16777216, 67108864
    };

    /// @param errorType `timeout`, `error`, or empty if it ended normally or was cancelled by its client
    record Outcome(String operation, String errorType) {}

    record TokenKind(String operation, String type) {}

    final Map<Outcome, Histogram> durations = new ConcurrentHashMap<>();
    final Map<String, Histogram> firstTokens = new ConcurrentHashMap<>();
    final Map<String, Histogram> perToken = new ConcurrentHashMap<>();
    final Map<TokenKind, Histogram> tokens = new ConcurrentHashMap<>();
    final Histogram queued = new Histogram(FIRST_TOKENS);

    void record(FinishedGeneration ended) {
        var operation = ended.operation();
        var errorType = switch (ended.reason()) {
            case "timeout", "error" -> ended.reason();
            default -> "";
        };
        durations
                .computeIfAbsent(new Outcome(operation, errorType), _ -> new Histogram(DURATIONS))
                .record(ended.totalNanos() / NANOS);
        recordTokens(new TokenKind(operation, "input"), ended.promptTokens());
        recordTokens(new TokenKind(operation, "output"), ended.completionTokens());
        if (ended.queuedNanos() >= 0) {
            queued.record(ended.queuedNanos() / NANOS);
        }
        if (ended.firstTokenNanos() >= 0) {
            firstTokens
                    .computeIfAbsent(operation, _ -> new Histogram(FIRST_TOKENS))
                    .record(ended.firstTokenNanos() / NANOS);
        }
        int more = ended.completionTokens() - 1;
        if (more > 0 && ended.firstTokenNanos() >= 0) {
            perToken.computeIfAbsent(operation, _ -> new Histogram(PER_TOKEN))
                    .record((ended.totalNanos() - ended.firstTokenNanos()) / NANOS / more);
        }
    }

    private void recordTokens(TokenKind kind, int count) {
        tokens.computeIfAbsent(kind, _ -> new Histogram(TOKENS)).record(count);
    }
}
