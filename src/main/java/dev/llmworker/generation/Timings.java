package dev.llmworker.generation;

/// How long a generation took. Times are from its submission.
///
/// @param cachedTokens tokens of the prompt that were in the prefix cache
/// @param queuedNanos until its prefill began; negative if it never did or is not known
/// @param firstTokenNanos until its first token; negative if there was none
/// @param totalNanos until its end
public record Timings(int cachedTokens, long queuedNanos, long firstTokenNanos, long totalNanos) {}
