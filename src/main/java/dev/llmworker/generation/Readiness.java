package dev.llmworker.generation;

/// Whether a generator can serve.
public sealed interface Readiness {
    record Loading() implements Readiness {}

    record Ready() implements Readiness {}

    /// @param reason what went wrong, in words for a client: no path, class or stack
    record Failed(String reason) implements Readiness {}
}
