package dev.llmworker.serving.mcp;

import java.util.List;
import java.util.stream.Stream;

/// The versions of the protocol that are served.
final class McpVersions {
    /// Each request says its version, in `_meta` and in a header; there is no handshake.
    static final String MODERN = "2026-07-28";

    /// A client begins with `initialize`. The newest comes first.
    static final List<String> LEGACY = List.of("2025-11-25", "2025-06-18", "2025-03-26");

    static final List<String> ALL =
            Stream.concat(Stream.of(MODERN), LEGACY.stream()).toList();

    private McpVersions() {}

    /// What `initialize` answers a client that asks for a version.
    static String negotiated(Object asked) {
        return LEGACY.stream().filter(asked::equals).findFirst().orElse(LEGACY.getFirst());
    }
}
