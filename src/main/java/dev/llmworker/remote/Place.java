package dev.llmworker.remote;

import dev.llmworker.generation.Lease;

/// A place at a server, which counts as one of our generations there until it is closed.
///
/// Threading: any thread.
record Place(RemoteServer server, Lease lease) implements AutoCloseable {
    /// The owner's place. Closing this one does nothing any more.
    Place handOver() {
        return new Place(server, lease.handOver());
    }

    @Override
    public void close() {
        lease.close();
    }
}
