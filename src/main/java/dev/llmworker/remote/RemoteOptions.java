package dev.llmworker.remote;

import java.time.Duration;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// Which servers generate, and how they are asked.
///
/// @param servers at least one; all serve the same model
/// @param apiKey sent as `Authorization: Bearer`; null for none
/// @param authorities certificates in PEM that those of servers must come from; null for those that Java trusts
/// @param model what the servers call it; null for the first that each lists
/// @param connections generations at once at one server
/// @param healthPath below a server's root; it answers 200 when the server can serve. Null where nothing is to be asked
///     but generations, as each request costs or wakes the server; `model` must be given then
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
        if (servers.isEmpty()) {
            throw new IllegalArgumentException("there must be a server");
        }
        if (healthPath == null && model == null) {
            throw new IllegalArgumentException("the model must be named where the servers are not asked");
        }
    }
}
