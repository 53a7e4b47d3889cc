package dev.llmworker.generation;

/// A generator that hands requests of OpenAI's API on as they are, and so also what no other generator knows: tools,
/// images, response formats, several choices.
///
/// Threading: any thread.
public interface OpenAiRelay {
    /// Sends a request on, and starts to read its answer, which must be closed.
    ///
    /// @throws RefusedException if it cannot be served, now or ever
    Answer<RelayEvent> relay(OpenAiRequest request);
}
