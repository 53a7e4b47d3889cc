package dev.llmworker.stats;

import java.util.function.Supplier;

/// The worker's version, state and model, for metrics. Any thread calls the suppliers for each scrape; they must
/// not wait.
///
/// @param state the engine's state: `loading`, `ready`, `failed`
/// @param model the model's name for clients; empty while it is not known
public record WorkerIdentity(String version, Supplier<String> state, Supplier<String> model) {}
