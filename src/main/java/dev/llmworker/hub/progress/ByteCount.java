package dev.llmworker.hub.progress;

import java.util.Locale;

/// Formats byte counts for an operator.
public final class ByteCount {
    private ByteCount() {}

    /// Decimal units, as for disks and downloads: `98.4 MB`.
    public static String text(long bytes) {
        if (bytes < 1_000) {
            return bytes + " bytes";
        }
        if (bytes < 1_000_000) {
            return String.format(Locale.ROOT, "%.1f kB", bytes / 1e3);
        }
        if (bytes < 1_000_000_000) {
            return String.format(Locale.ROOT, "%.1f MB", bytes / 1e6);
        }
        return String.format(Locale.ROOT, "%.1f GB", bytes / 1e9);
    }
}
