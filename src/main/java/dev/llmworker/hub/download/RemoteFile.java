package dev.llmworker.hub.download;

import java.net.URI;
import java.util.OptionalLong;
import org.jspecify.annotations.Nullable;

/// A file to download, with its expected length and hash.
///
/// @param name the name for the operator
/// @param bytes the exact length; if empty, the length that the server announces
/// @param sha256 the hash; if null, the one that the server announces, if any
public record RemoteFile(
        URI address,
        String name,
        OptionalLong bytes,
        @Nullable String sha256) {}
