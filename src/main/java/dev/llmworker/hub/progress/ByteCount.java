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
        var unit = bytes < 1_000_000 ? "kB" : bytes < 1_000_000_000 ? "MB" : "GB";
        var size = bytes < 1_000_000 ? 1e3 : bytes < 1_000_000_000 ? 1e6 : 1e9;
        return String.format(Locale.ROOT, "%.1f %s", bytes / size, unit);
    }
}
