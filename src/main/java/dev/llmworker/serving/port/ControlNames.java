package dev.llmworker.serving.port;

import java.util.Locale;
import java.util.Set;

/// Names that steer Camel's components when a message has them as headers: no client may choose one (CVE-2025-27636,
/// CVE-2025-29891, CVE-2026-46726).
public final class ControlNames {
    private static final Set<String> WITHOUT_PREFIX = Set.of(
            "connectionkey", "connectionkey.list", "sendtoall", "operationname", "operationnamespace", "breadcrumbid");

    private ControlNames() {}

    public static boolean isControl(String name) {
        // Blanks and control characters round a name are nothing a client needs, and Camel may trim them.
        var lower = name.strip().toLowerCase(Locale.ROOT);
        return lower.startsWith("camel")
                || lower.startsWith("org.apache.camel")
                || lower.startsWith("websocket.")
                || WITHOUT_PREFIX.contains(lower);
    }
}
