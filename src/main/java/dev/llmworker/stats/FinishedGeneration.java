package dev.llmworker.stats;

/// What is counted of a generation that has ended. Times are from its submission.
///
/// @param operation what OpenTelemetry calls it: `chat` or `text_completion`
/// @param reason why it ended: `stop`, `length`, `cancelled`, `timeout`, `error`
/// @param cachedTokens of the prompt's, those that lay in the cache already
/// @param wastedTokens of the answer's, those that no client was there to read
/// @param queuedNanos until the engine began with it; negative where that is not known
/// @param firstTokenNanos until its first token; negative where there was none
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
    /// One that failed before anything is known of it.
    public static FinishedGeneration failed(String operation, long totalNanos) {
        return new FinishedGeneration(operation, "error", 0, 0, 0, 0, -1, -1, totalNanos);
    }
}
