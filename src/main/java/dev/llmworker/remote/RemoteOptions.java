package dev.llmworker.remote;

import java.time.Duration;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// Which servers generate, and how they are called.
///
/// @param servers all serve the same model; none if they come and go, as [RemoteGenerator#serveAt] says
/// @param apiKey sent as `Authorization: Bearer`; null for none
/// @param authorities PEM certificates of the trusted authorities; null for Java's own
/// @param model the servers' name for the model; null for the first that each lists
/// @param connections the most concurrent generations at one server
/// @param healthPath relative to a server's root; answers 200 if the server can serve. Null disables health
///     checks, for servers that each request costs money or wakes; `model` is then required
/// @param timeout of a generation, from submission to the end
public record RemoteOptions(
        List<ServerAddress> servers,
        @Nullable String apiKey,
        @Nullable String authorities,
        @Nullable String model,
        int connections,
        @Nullable String healthPath,
        Duration timeout) {
    public RemoteOptions {
        servers = List.copyOf(servers);
        if (healthPath == null && model == null) {
            throw new IllegalArgumentException("without health checks the model's name is required");
        }
    }
}
