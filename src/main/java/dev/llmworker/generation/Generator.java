package dev.llmworker.generation;

import java.time.Duration;
import java.util.Optional;
import java.util.function.Supplier;

/// The interface to whatever generates text: the engine in this process, another server, or the mock.
///
/// Threading: any thread.
public interface Generator extends AutoCloseable {
    /// Accepts a request and starts to work on it. The caller must close the generation.
    ///
    /// @throws RefusedException if the request cannot be served, now or ever
    Generation submit(GenerationRequest request);

    /// The answer to another prompt of a client's request, which has several. It ends at the same deadline, and a full
    /// queue does not refuse it.
    ///
    /// @param accepted an answer of the same client's request, which may have ended
    default Generation submitBeside(Generation accepted, GenerationRequest request) {
        return submit(request);
    }

    /// As [#submitBeside], for another answer to the same prompt, which is not encoded again. Submit it after the first
    /// event of `accepted`, so that it reuses the cached prompt.
    default Generation submitChoice(Generation accepted, GenerationRequest request) {
        return submit(request);
    }

    /// Whether requests can be served; never waits.
    Readiness readiness();

    /// The model's name for clients; empty while it is not known yet.
    Optional<String> modelId();

    @Override
    void close();

    /// As [#close()], and first writes what a later process can use.
    ///
    /// @param left how long it may still write; asked again and again, from any thread
    default void closeWithin(Supplier<Duration> left) {
        close();
    }
}
