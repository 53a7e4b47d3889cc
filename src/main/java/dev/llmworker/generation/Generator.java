package dev.llmworker.generation;

import java.util.Optional;

/// The interface to whatever generates text: the engine in this process, another server, or the mock.
///
/// Threading: any thread.
public interface Generator extends AutoCloseable {
    /// Accepts a request and starts to work on it. The caller must close the generation.
    ///
    /// @throws RefusedException if the request cannot be served, now or ever
    Generation submit(GenerationRequest request);

    /// Whether requests can be served; never waits.
    Readiness readiness();

    /// The model's name for clients; empty while it is not known yet.
    Optional<String> modelId();

    @Override
    void close();
}
