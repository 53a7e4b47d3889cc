package dev.llmworker.stats;

/// The figures of a generation that has ended. Times are from its submission.
///
/// @param operation OpenTelemetry's name for it: `chat`, `text_completion`, `embeddings` or `rerank`
/// @param reason why it ended: `stop`, `tool_calls`, `content_filter`, `length`, `cancelled`, `timeout`,
///     `error`
/// @param promptTokens 0 for one more answer to a prompt that counts with another answer
/// @param cachedTokens prompt tokens that came from the prefix cache
/// @param wastedTokens generated tokens that no client was there to read
/// @param queuedNanos until the engine began with it; negative if unknown
/// @param firstTokenNanos until its first token; negative if there was none
/// @param totalNanos until its end
public record FinishedGeneration(
        String operation,
        String reason,
        int promptTokens,
        int completionTokens,
        int cachedTokens,
        int wastedTokens,
        long queuedNanos,
        long firstTokenNanos,
        long totalNanos) {
    /// A generation that failed before anything was known about it.
    public static FinishedGeneration failed(String operation, long totalNanos) {
        return new FinishedGeneration(operation, "error", 0, 0, 0, 0, -1, -1, totalNanos);
    }
}
