package dev.llmworker.generation;

/// A running answer that yields one token at a time.
public interface Generation extends Answer<GenerationEvent> {}
