package dev.llmworker.engine.stored;

import dev.llmworker.model.decoder.SlotCopies.State;

/// A state of a copied prefix.
public record HeldState(State state, HeldBytes bytes) {}
