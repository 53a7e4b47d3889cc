package dev.llmworker.engine;

/// Hears how the loading of a model ended, and whether the engine failed later. Called on the engine thread.
@FunctionalInterface
public interface LoadListener {
    /// The first request is accepted from now on.
    void loaded(LanguageModel model);

    /// The model never serves.
    ///
    /// @param reason for the operator
    default void failed(String reason) {}

    /// The engine had loaded, and serves no more. It will not recover.
    ///
    /// @param reason for the operator
    default void broken(String reason) {}
}
