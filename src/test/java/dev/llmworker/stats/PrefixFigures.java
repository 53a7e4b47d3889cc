package dev.llmworker.stats;

/// Figures of evicted prefixes that only the page of metrics shows, for tests of other packages.
public final class PrefixFigures {
    private PrefixFigures() {}

    public static long bytes(EngineStats stats) {
        return stats.evictedPrefixBytes;
    }

    public static long mostBytes(EngineStats stats) {
        return stats.evictedPrefixMostBytes;
    }

    public static long restored(EngineStats stats) {
        return stats.restoredPrefixes.sum();
    }

    public static long dropped(EngineStats stats) {
        return stats.droppedPrefixes.sum();
    }
}
