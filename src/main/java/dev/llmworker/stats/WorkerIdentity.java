package dev.llmworker.stats;

import java.util.function.Supplier;

/// What metrics say of the worker as a whole. Suppliers are asked each time, by any thread, and must not wait.
///
/// @param state of the engine: `loading`, `ready`, `failed`
/// @param model what clients call the model; empty while that is not known
public record WorkerIdentity(String version, Supplier<String> state, Supplier<String> model) {}
