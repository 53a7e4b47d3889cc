package dev.llmworker.remote;

import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// The servers that one generation has tried: each once, and one of them twice if its connection broke.
///
/// Threading: one thread.
final class Failover {
    private final RemoteServers servers;
    private final List<RemoteServer> tried = new ArrayList<>(1);
    private boolean askedAgain;

    Failover(RemoteServers servers) {
        this.servers = servers;
    }

    void add(RemoteServer server) {
        tried.add(server);
    }

    RemoteServer last() {
        return tried.getLast();
    }

    /// Takes a place at the server to try next, after `server` has failed; null if there is none.
    @Nullable
    Place next(Failure failure, RemoteServer server) {
        var other = failure.elsewhere() ? servers.take(tried) : null;
        if (other == null && failure.again() && !askedAgain) {
            // The server may have closed a kept connection in the meantime, so it is tried again.
            askedAgain = true;
            return server.place();
        }
        return other;
    }
}
