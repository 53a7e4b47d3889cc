package dev.llmworker.generation;

/// What a generation took, as its engine saw it. Times are from its submission.
///
/// @param cachedTokens of the prompt's, those that lay in the cache already
/// @param queuedNanos until its prompt was begun with; negative where it never was
/// @param firstTokenNanos until its first token; negative where there was none
/// @param totalNanos until its end
public record Measures(int cachedTokens, long queuedNanos, long firstTokenNanos, long totalNanos) {}
