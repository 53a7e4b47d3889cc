package dev.llmworker.generation;

/// One running answer, token by token.
public interface Generation extends Answer<GenerationEvent> {}
