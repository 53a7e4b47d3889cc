package dev.llmworker.generation;

import java.util.Optional;

/// The front door to whatever generates text: the engine in this process, another server, or the mock.
///
/// Threading: any thread.
public interface Generator extends AutoCloseable {
    /// Accepts a request and starts to work on it; its generation must be closed.
    ///
    /// @throws RefusedException when it cannot be served, now or ever
    Generation submit(GenerationRequest request);

    /// Whether requests can be served; never waits.
    Readiness readiness();

    /// What clients call the model; empty while it is not known yet.
    Optional<String> modelId();

    @Override
    void close();
}
