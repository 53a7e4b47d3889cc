package dev.llmworker.text;

import java.util.List;
import org.jspecify.annotations.Nullable;

/// Finds the first of several stop sequences in a text that comes in pieces, however it is split. The first is
/// the one that is complete first; if several end together, the longest. Until then it says how much of the text
/// is certainly before any stop sequence.
///
/// Threading: one thread at a time.
public final class StopMatcher {
    private final String[] stops;
    /// For each stop sequence and each number of matched characters: the longest shorter match that these
    /// characters end with (Knuth, Morris, Pratt 1977).
    private final int[][] shorter;
    private final int[] matched;
    private long length;
    private long safe;
    private @Nullable String found;

    /// @param stops none of them empty
    public StopMatcher(List<String> stops) {
        this.stops = stops.toArray(String[]::new);
        shorter = stops.stream().map(StopMatcher::shorterMatches).toArray(int[][]::new);
        matched = new int[this.stops.length];
    }

    private static int[] shorterMatches(String stop) {
        if (stop.isEmpty()) {
            throw new IllegalArgumentException("a stop sequence is empty");
        }
        var shorter = new int[stop.length() + 1];
        var count = 0;
        for (var i = 1; i < stop.length(); i++) {
            while (count > 0 && stop.charAt(i) != stop.charAt(count)) {
                count = shorter[count];
            }
            if (stop.charAt(i) == stop.charAt(count)) {
                count++;
            }
            shorter[i + 1] = count;
        }
        return shorter;
    }

    /// Takes the next piece, but only up to the end of a stop sequence.
    ///
    /// @param mayStop false to ignore stop sequences that this piece completes
    /// @return whether one is complete: the text then ends at [#safe()]
    public boolean push(String piece, boolean mayStop) {
        for (var i = 0; i < piece.length(); i++) {
            length++;
            var longest = 0;
            var complete = 0;
            for (var stop = 0; stop < stops.length; stop++) {
                var count = advance(stop, piece.charAt(i));
                if (count == stops[stop].length()) {
                    if (mayStop && count > complete) {
                        found = stops[stop];
                    }
                    complete = Math.max(complete, count);
                    count = shorter[stop][count];
                }
                matched[stop] = count;
                longest = Math.max(longest, count);
            }
            if (mayStop && complete > 0) {
                safe = length - complete;
                return true;
            }
            safe = length - longest;
        }
        return false;
    }

    private int advance(int stop, char c) {
        var count = matched[stop];
        while (count > 0 && stops[stop].charAt(count) != c) {
            count = shorter[stop][count];
        }
        return stops[stop].charAt(count) == c ? count + 1 : 0;
    }

    /// The stop sequence that is complete; null if none is.
    public @Nullable String found() {
        return found;
    }

    /// How many of all pushed characters are certainly before any stop sequence.
    public long safe() {
        return safe;
    }
}
