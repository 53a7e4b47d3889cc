package dev.llmworker.text;

import java.util.BitSet;
import java.util.HashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// Finds the names of tokens in text: a trie over UTF-16 code units.
///
/// Threading: any thread.
public final class TokenNames {
    /// @param end exclusive
    public record Match(int start, int end, int id) {}

    private static final class Node {
        final Map<Character, Node> next = new HashMap<>();
        int id = NONE;
    }

    private static final int NONE = -1;

    private final Node root = new Node();
    /// The first characters of all names. Most characters of a text are none of them.
    private final BitSet beginnings = new BitSet();

    public TokenNames(Map<String, Integer> ids) {
        ids.forEach((name, id) -> {
            if (!name.isEmpty()) {
                beginnings.set(name.charAt(0));
            }
            var node = root;
            for (var i = 0; i < name.length(); i++) {
                node = node.next.computeIfAbsent(name.charAt(i), _ -> new Node());
            }
            node.id = id;
        });
        // An empty name would match everywhere.
        root.id = NONE;
    }

    /// The first name at or after `from`; if several begin there, the longest.
    @Nullable
    public Match find(String text, int from) {
        for (var start = from; start < text.length(); start++) {
            TextEncoder.stopIfInterrupted(start);
            var match = at(text, start);
            if (match != null) {
                return match;
            }
        }
        return null;
    }

    boolean isAt(String text, int start) {
        return at(text, start) != null;
    }

    private @Nullable Match at(String text, int start) {
        if (!beginnings.get(text.charAt(start))) {
            return null;
        }
        var node = root.next.get(text.charAt(start));
        Match longest = null;
        for (var i = start + 1; node != null; i++) {
            if (node.id != NONE) {
                longest = new Match(start, i, node.id);
            }
            node = i < text.length() ? node.next.get(text.charAt(i)) : null;
        }
        return longest;
    }

    /// Whether a name lies at `start` and before `end`, or could if the text continued after `end`.
    public boolean mayBegin(String text, int start, int end) {
        var node = root;
        for (var i = start; i < end; i++) {
            node = node.next.get(text.charAt(i));
            if (node == null) {
                return false;
            }
            if (node.id != NONE) {
                return true;
            }
        }
        return end > start;
    }
}
