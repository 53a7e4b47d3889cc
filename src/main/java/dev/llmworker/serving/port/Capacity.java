package dev.llmworker.serving.port;

import java.time.Duration;

/// What all clients together may take.
///
/// @param memoryBytes of all requests under way
/// @param connections open at a time; the health port has a few of its own
/// @param connectionsPerAddress open at a time from one address; 0 for no limit
/// @param responses kept for later requests; 0 for none
/// @param responsesKept how long each of them is kept
public record Capacity(
        long memoryBytes, int connections, int connectionsPerAddress, int responses, Duration responsesKept) {}
