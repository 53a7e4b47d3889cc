package dev.llmworker.hub.download;

import java.net.URI;
import java.util.OptionalLong;
import org.jspecify.annotations.Nullable;

/// A file to fetch, and what it must turn out to be.
///
/// @param name for the operator
/// @param bytes its exact length; where empty, the length that the server announces
/// @param sha256 its hash; where null, the one that the server announces, if any
public record RemoteFile(
        URI address,
        String name,
        OptionalLong bytes,
        @Nullable String sha256) {}
