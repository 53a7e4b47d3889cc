package dev.llmworker.generation;

/// A token and its probability according to the model.
///
/// @param text what the token adds to the text by itself, U+FFFD if it is part of a character; a control token's
///     name
/// @param bytes the bytes of the token, often part of a character; a control token's name
/// @param logprob the natural logarithm of its probability
public record ScoredToken(String text, byte[] bytes, float logprob) {}
