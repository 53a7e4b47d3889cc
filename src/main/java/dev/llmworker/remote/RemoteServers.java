package dev.llmworker.remote;

import dev.llmworker.generation.Readiness;
import dev.llmworker.generation.RefusedException;
import java.util.Collection;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/// The servers together: a generation goes to the one that works on the fewest for us.
///
/// Threading: any thread.
final class RemoteServers {
    private static final int GONE_RETRY_SECONDS = 5;

    private final List<RemoteServer> servers;
    private final int connections;
    private int turn;

    /// @param connections generations at once at one server
    RemoteServers(List<RemoteServer> servers, int connections) {
        this.servers = List.copyOf(servers);
        this.connections = connections;
    }

    /// Takes a place at a server, to be given back by [RemoteServer#ended].
    ///
    /// @param tried servers that have failed this generation already
    /// @return null where there is none that was not tried
    /// @throws RefusedException where nothing was tried and no server can take it
    synchronized @Nullable RemoteServer take(Collection<RemoteServer> tried) {
        RemoteServer best = null;
        var ready = 0;
        turn = (turn + 1) % servers.size();
        for (var i = 0; i < servers.size(); i++) {
            // Among equals they take turns.
            var server = servers.get((turn + i) % servers.size());
            if (!server.isReady()) {
                continue;
            }
            ready++;
            var better = best == null || server.outstanding() < best.outstanding();
            if (better && server.outstanding() < connections && !tried.contains(server)) {
                best = server;
            }
        }
        if (best != null) {
            best.began();
        } else if (tried.isEmpty()) {
            throw ready == 0 ? unavailable() : full();
        }
        return best;
    }

    private RefusedException full() {
        return new RefusedException(
                RefusedException.Reason.OVERLOADED,
                "queue_full",
                connections + " generations run at each server of the engine already, which is the limit; try again"
                        + " later");
    }

    private RefusedException unavailable() {
        return switch (readiness()) {
            case Readiness.Loading() ->
                new RefusedException(
                        RefusedException.Reason.LOADING,
                        "loading",
                        "the engine's server is not ready yet; try again shortly");
            case Readiness.Failed(var reason) ->
                new RefusedException(RefusedException.Reason.FAILED, "engine_unavailable", reason, GONE_RETRY_SECONDS);
            // All that are healthy have been ejected.
            case Readiness.Ready() ->
                new RefusedException(
                        RefusedException.Reason.FAILED,
                        "engine_unavailable",
                        "the engine's servers have failed; try again later",
                        GONE_RETRY_SECONDS);
        };
    }

    /// Whether another than `server` can serve.
    boolean hasOther(RemoteServer server) {
        return servers.stream().anyMatch(other -> other != server && other.isReady());
    }

    /// Ready where one is; else what is wrong with one, before the waiting for others.
    Readiness readiness() {
        Readiness all = new Readiness.Loading();
        for (var server : servers) {
            switch (server.health()) {
                case Readiness.Ready() -> {
                    return new Readiness.Ready();
                }
                case Readiness.Failed failed -> all = failed;
                case Readiness.Loading() -> {}
            }
        }
        return all;
    }

    /// The model's name at the first server that knows one.
    Optional<String> modelId() {
        return servers.stream()
                .map(RemoteServer::model)
                .filter(Objects::nonNull)
                .map(Objects::requireNonNull)
                .findFirst();
    }

    List<RemoteServer> all() {
        return servers;
    }
}
