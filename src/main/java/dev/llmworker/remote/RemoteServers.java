package dev.llmworker.remote;

import dev.llmworker.generation.Readiness;
import dev.llmworker.generation.RefusedException;
import dev.llmworker.remote.RemoteServer.Place;
import dev.llmworker.stats.Count;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/// All servers. A generation goes to the one that works on the fewest of our generations.
///
/// Threading: any thread.
final class RemoteServers {
    private static final int GONE_RETRY_SECONDS = 5;

    private final int connections;
    private volatile List<RemoteServer> servers = List.of();
    private volatile Readiness otherwise = new Readiness.Loading();
    private @Nullable String lastModel;
    private int turn;

    /// @param connections the most concurrent generations at one server
    RemoteServers(int connections) {
        this.connections = connections;
    }

    synchronized void add(RemoteServer server) {
        var more = new ArrayList<>(servers);
        more.add(server);
        servers = List.copyOf(more);
    }

    /// From now on no request goes to the server. Those that it works on go on.
    synchronized void remove(RemoteServer server) {
        lastModel = server.model() == null ? lastModel : server.model();
        servers = servers.stream().filter(other -> other != server).toList();
    }

    /// How ready the servers are if none is ready, and none has a failure of its own to tell.
    void otherwise(Readiness readiness) {
        otherwise = readiness;
    }

    /// Takes a place at a server.
    ///
    /// @param tried servers that have already failed this generation
    /// @return null if every usable server was tried
    /// @throws RefusedException if none was tried and no server can take the generation
    synchronized @Nullable Place take(Collection<RemoteServer> tried) {
        RemoteServer best = null;
        var ready = 0;
        turn = (turn + 1) % Math.max(1, servers.size());
        for (var i = 0; i < servers.size(); i++) {
            // Takes turns among equally loaded servers.
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
        if (best == null && tried.isEmpty()) {
            throw ready == 0 ? unavailable() : full();
        }
        return best == null ? null : best.place();
    }

    private RefusedException full() {
        return new RefusedException(
                RefusedException.Reason.OVERLOADED,
                "queue_full",
                Count.of(connections, "generation") + (connections == 1 ? " is" : " are")
                        + " already running at each of the engine's servers, which is the limit; try again later");
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
            // All healthy servers are ejected.
            case Readiness.Ready() ->
                new RefusedException(
                        RefusedException.Reason.FAILED,
                        "engine_unavailable",
                        "the engine's servers have failed; try again later",
                        GONE_RETRY_SECONDS);
        };
    }

    /// Whether a server other than `server` can serve.
    boolean hasOther(RemoteServer server) {
        return servers.stream().anyMatch(other -> other != server && other.isReady());
    }

    /// Ready if any server is. Otherwise the reason of a failed server comes before that of a loading one.
    Readiness readiness() {
        var all = otherwise;
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

    /// The model's name from the first server that knows it. A server that was removed has known it too. If it is the
    /// path of a file, as llama.cpp's server names its model, clients see only the file's name.
    synchronized Optional<String> modelId() {
        return servers.stream()
                .map(RemoteServer::model)
                .filter(Objects::nonNull)
                .map(Objects::requireNonNull)
                .findFirst()
                .or(() -> Optional.ofNullable(lastModel))
                .map(RemoteServers::withoutFolders);
    }

    private static String withoutFolders(String model) {
        var name = model.replaceAll("/+$", "");
        return model.startsWith("/") && !name.isEmpty() ? name.substring(name.lastIndexOf('/') + 1) : model;
    }

    List<RemoteServer> all() {
        return servers;
    }
}
