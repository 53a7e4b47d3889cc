package dev.llmworker.serving.port;

/// What all clients together may take.
///
/// @param memoryBytes of all requests under way
/// @param connections open at a time; the health port has a few of its own
/// @param connectionsPerAddress open at a time from one address; 0 for no limit
public record Capacity(long memoryBytes, int connections, int connectionsPerAddress) {}
