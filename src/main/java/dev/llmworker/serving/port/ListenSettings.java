package dev.llmworker.serving.port;

import dev.llmworker.serving.access.ApiKeys;
import dev.llmworker.serving.access.Origins;
import dev.llmworker.serving.connection.Timeouts;
import java.time.Duration;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/// Where and how the worker listens.
///
/// @param host the address to bind
/// @param port of HTTP and WebSocket; 0 takes any free one
/// @param healthPort another port for `/ping`; the same as `port` for no second listener
/// @param healthPaths the paths beside `/ping` that are answered as `/ping` is, at both ports
/// @param maxBodyBytes the largest request body
/// @param timeouts how long clients may take
/// @param maxWebSockets the most that may be open
/// @param capacity what all clients together may take
/// @param keys what clients must have one of
/// @param metricsKeys keys that read `/metrics`; if there are none, clients' keys do
/// @param origins the sites whose pages may use the worker
/// @param routeTools tags of the routes that clients may have the worker call
/// @param mcpTools tags of the routes that `/mcp` offers; empty for no `/mcp`
/// @param requestTimeout the longest a request may take that needs several answers
/// @param tls the certificate for HTTPS and WSS on `port`; null for plain HTTP
/// @param localHealthPort another port for `/ping` on 127.0.0.1 alone, opened if `port` has TLS and there is no health
/// port
/// @param workerId RunPod's name of this worker, sent as `X-Worker-Id`; null elsewhere
public record ListenSettings(
        String host,
        int port,
        int healthPort,
        Set<String> healthPaths,
        int maxBodyBytes,
        Timeouts timeouts,
        int maxWebSockets,
        Capacity capacity,
        ApiKeys keys,
        ApiKeys metricsKeys,
        Origins origins,
        Set<String> routeTools,
        Set<String> mcpTools,
        Duration requestTimeout,
        @Nullable TlsFiles tls,
        @Nullable Integer localHealthPort,
        @Nullable String workerId) {}
