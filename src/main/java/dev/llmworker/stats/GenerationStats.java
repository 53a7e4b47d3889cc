package dev.llmworker.stats;

import java.util.Set;

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

    /// Their answers have no tokens.
    private static final Set<String> WITHOUT_OUTPUT = Set.of("embeddings", "rerank");

    /// @param errorType `timeout`, `error`, or empty if it ended normally or was cancelled by its client
    record Outcome(String operation, String errorType) {}

    record TokenKind(String operation, String type) {}

    final Histogram<Outcome> durations = new Histogram<>(DURATIONS);
    final Histogram<String> firstTokens = new Histogram<>(FIRST_TOKENS);
    final Histogram<String> perToken = new Histogram<>(PER_TOKEN);
    final Histogram<TokenKind> tokens = new Histogram<>(TOKENS);
    /// Has one key, which is empty.
    final Histogram<String> queued = new Histogram<>(FIRST_TOKENS);

    GenerationStats() {
        var _ = queued.of("");
    }

    void record(FinishedGeneration ended) {
        var operation = ended.operation();
        var errorType = switch (ended.reason()) {
            case "timeout", "error" -> ended.reason();
            default -> "";
        };
        durations.record(new Outcome(operation, errorType), ended.totalNanos() / NANOS);
        // With 0 it is not known, or counts with another answer.
        if (ended.promptTokens() > 0) {
            tokens.record(new TokenKind(operation, "input"), ended.promptTokens());
        }
        if (!WITHOUT_OUTPUT.contains(operation)) {
            tokens.record(new TokenKind(operation, "output"), ended.completionTokens());
        }
        if (ended.queuedNanos() >= 0) {
            queued.record("", ended.queuedNanos() / NANOS);
        }
        if (ended.firstTokenNanos() >= 0) {
            firstTokens.record(operation, ended.firstTokenNanos() / NANOS);
            int more = ended.completionTokens() - 1;
            if (more > 0) {
                perToken.record(operation, (ended.totalNanos() - ended.firstTokenNanos()) / NANOS / more);
            }
        }
    }
}
