package dev.llmworker.model.decoder;

/// Tokens of a prompt that become positions `start`, `start + 1`, … of the sequence in a slot. Positions before
/// `start` are in the cache already.
public record PromptPart(int slot, int[] ids, int start) {}
