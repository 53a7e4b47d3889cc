package dev.llmworker.generation;

/// A token and how likely the model thinks it.
///
/// @param text what it adds to the text by itself, U+FFFD where that is a part of a character; a control token's name
/// @param bytes what it stands for, often a part of a character; a control token's name
/// @param logprob the natural logarithm of its probability
public record ScoredToken(String text, byte[] bytes, float logprob) {}
