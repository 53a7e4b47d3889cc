package dev.llmworker.generation;

/// Why a generation ended.
public enum FinishReason {
    /// The model ended its answer with an end-of-sequence token.
    STOP,
    /// `max_tokens` were generated, or the context is full.
    LENGTH,
    /// The client disconnected or cancelled.
    CANCELLED,
    /// The request's deadline passed.
    TIMEOUT,
    /// The engine failed; the message is in the log.
    ERROR
}
