package dev.llmworker.serving.wire;

import java.util.List;

/// Names of headers that control Camel's components. No client may set one (CVE-2025-27636, CVE-2025-29891,
/// CVE-2026-46726, CVE-2026-85312).
public final class ControlNames {
    private static final List<String> PREFIXES = List.of("camel", "org.apache.camel", "websocket.");
    private static final List<String> WHOLE = List.of(
            "connectionkey",
            "connectionkey.list",
            "sendtoall",
            "operationname",
            "operationnamespace",
            "breadcrumbid",
            "long-running-action");

    private ControlNames() {}

    /// Called for each header of each request: it copies no name.
    public static boolean isControl(String name) {
        // No client needs blanks or control characters around a name, and Camel may trim them.
        var stripped = name.strip();
        for (var prefix : PREFIXES) {
            if (stripped.regionMatches(true, 0, prefix, 0, prefix.length())) {
                return true;
            }
        }
        for (var whole : WHOLE) {
            if (whole.equalsIgnoreCase(stripped)) {
                return true;
            }
        }
        return false;
    }
}
