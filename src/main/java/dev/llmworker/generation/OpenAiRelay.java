package dev.llmworker.generation;

/// A generator that forwards OpenAI requests unchanged. It therefore supports features that no other generator
/// has: tools, images, response formats, several choices.
///
/// Threading: any thread.
public interface OpenAiRelay {
    /// Forwards a request and starts to read the answer, which the caller must close.
    ///
    /// @throws RefusedException if it cannot be served, now or ever
    Answer<RelayEvent> relay(OpenAiRequest request);
}
