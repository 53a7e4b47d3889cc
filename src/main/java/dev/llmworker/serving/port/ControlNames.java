package dev.llmworker.serving.port;

import java.util.Locale;
import java.util.Set;

/// Names of headers that control Camel's components. No client may set one (CVE-2025-27636, CVE-2025-29891,
/// CVE-2026-46726, CVE-2026-85312).
public final class ControlNames {
    private static final Set<String> WITHOUT_PREFIX = Set.of(
            "connectionkey",
            "connectionkey.list",
            "sendtoall",
            "operationname",
            "operationnamespace",
            "breadcrumbid",
            "long-running-action");

    private ControlNames() {}

    public static boolean isControl(String name) {
        // No client needs blanks or control characters around a name, and Camel may trim them.
        var lower = name.strip().toLowerCase(Locale.ROOT);
        return lower.startsWith("camel")
                || lower.startsWith("org.apache.camel")
                || lower.startsWith("websocket.")
                || WITHOUT_PREFIX.contains(lower);
    }
}
