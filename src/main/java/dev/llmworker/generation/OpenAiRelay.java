package dev.llmworker.generation;

/// A generator that hands requests of OpenAI's API on as they are, and so also what no other generator knows: tools,
/// images, response formats, several choices.
///
/// Threading: any thread.
public interface OpenAiRelay {
    /// As [Generator#submit]; the events before the last are [GenerationEvent.Chunk]s.
    ///
    /// @throws RefusedException when it cannot be served, now or ever
    Generation relay(OpenAiRequest request);
}
