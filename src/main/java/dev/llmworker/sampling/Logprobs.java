package dev.llmworker.sampling;

/// Log-probabilities of a sampled token and of the likeliest ones in its place, as the model gives them: before
/// penalties, bias and temperature.
///
/// @param chosen of the sampled token
/// @param ids of the likeliest tokens, likeliest first
/// @param likeliest their log-probabilities
public record Logprobs(float chosen, int[] ids, float[] likeliest) {}
