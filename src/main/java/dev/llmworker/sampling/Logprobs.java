package dev.llmworker.sampling;

/// The log-probabilities of a sampled token and of its likeliest alternatives, as the model gives them: before
/// penalties, bias and temperature.
///
/// @param chosen log-probability of the sampled token
/// @param ids the likeliest tokens, likeliest first
/// @param likeliest their log-probabilities
public record Logprobs(float chosen, int[] ids, float[] likeliest) {}
