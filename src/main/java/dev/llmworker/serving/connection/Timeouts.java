package dev.llmworker.serving.connection;

import java.time.Duration;

/// How long clients may take.
///
/// @param header for the header of a request, from when the connection is there
/// @param body for a request's body, and for a WebSocket message from its first byte
/// @param send without anything that could be sent on, because the client does not read
/// @param idle between two requests on one connection
/// @param ping of a WebSocket from which nothing came, until it is pinged; zero for never
/// @param pong for the answer to a ping
/// @param drain for what runs when the worker is to stop
public record Timeouts(
        Duration header, Duration body, Duration send, Duration idle, Duration ping, Duration pong, Duration drain) {
    /// Idle is longer than proxies keep connections, so that it is they who close and no request meets a closed one.
    public static final Timeouts DEFAULT = new Timeouts(
            Duration.ofSeconds(15),
            Duration.ofSeconds(60),
            Duration.ofSeconds(60),
            Duration.ofSeconds(180),
            Duration.ofSeconds(30),
            Duration.ofSeconds(30),
            Duration.ofSeconds(30));
}
