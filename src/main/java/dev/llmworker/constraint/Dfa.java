package dev.llmworker.constraint;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.Function;
import java.util.function.Predicate;

/// A deterministic automaton over code points. State 0 is the first; each other state leads to an accepting
/// one.
///
/// Threading: any thread.
final class Dfa {
    /// From a state, by the code points from `low` to `high`.
    record Edge<S>(int low, int high, S target) {}

    /// Which texts of two automata the combination has.
    enum Operation {
        AND,
        OR,
        MINUS;

        boolean accepts(boolean first, boolean second) {
            return switch (this) {
                case AND -> first && second;
                case OR -> first || second;
                case MINUS -> first && !second;
            };
        }

        /// Whether a text may go on, by whether it may go on in each of the two.
        boolean lives(boolean first, boolean second) {
            return switch (this) {
                case AND -> first && second;
                case OR -> first || second;
                case MINUS -> first;
            };
        }
    }

    private record Pair(int first, int second) {}

    private static final int DEAD = -1;

    static final Dfa ALL = explore(new Work("$"), 0, _ -> true, _ -> edges(CodePoints.ALL, 0));

    private final boolean[] accepts;
    /// By state: the low and high code point and the target of each edge, ascending.
    private final int[][] edges;

    private Dfa(boolean[] accepts, int[][] edges) {
        this.accepts = accepts;
        this.edges = edges;
    }

    static <S> List<Edge<S>> edges(CodePoints set, S target) {
        var found = new ArrayList<Edge<S>>();
        for (var i = 0; i < set.bounds().length; i += 2) {
            found.add(new Edge<>(set.bounds()[i], set.bounds()[i + 1], target));
        }
        return found;
    }

    /// The automaton whose states `step` finds, starting with `start`.
    ///
    /// @throws ConstraintException if there are more states or steps than the limits
    static <S> Dfa explore(Work work, S start, Predicate<S> isAccepting, Function<S, List<Edge<S>>> step) {
        var ids = new HashMap<S, Integer>();
        var found = new ArrayList<S>();
        var edges = new ArrayList<int[]>();
        var edgeCount = 0;
        ids.put(start, 0);
        found.add(start);
        for (var i = 0; i < found.size(); i++) {
            var out = step.apply(found.get(i));
            work.spend(1 + out.size());
            edgeCount += out.size();
            if (edgeCount > Limits.AUTOMATON_EDGES) {
                throw work.rejected("needs more than " + Limits.AUTOMATON_EDGES
                        + " edges; the limit bounds patterns, their lengths and sets of characters");
            }
            var row = new int[3 * out.size()];
            var at = 0;
            for (var edge : out) {
                var id = ids.get(edge.target);
                if (id == null) {
                    id = found.size();
                    ids.put(edge.target, id);
                    found.add(edge.target);
                    if (id >= Limits.AUTOMATON_STATES) {
                        throw tooLarge(work);
                    }
                }
                row[at++] = edge.low;
                row[at++] = edge.high;
                row[at++] = id;
            }
            edges.add(row);
        }
        var accepts = new boolean[found.size()];
        for (var i = 0; i < accepts.length; i++) {
            accepts[i] = isAccepting.test(found.get(i));
        }
        return new Dfa(accepts, edges.toArray(int[][]::new)).trimmed();
    }

    private static ConstraintException tooLarge(Work work) {
        return work.rejected("needs more than " + Limits.AUTOMATON_STATES
                + " states; the limit bounds patterns, their lengths, listed texts and ranges of numbers");
    }

    /// Exactly these texts.
    static Dfa literals(Work work, Collection<String> texts) {
        var root = new Trie();
        var count = 1;
        for (var text : texts) {
            work.spend(1 + text.length());
            var node = root;
            for (var c : text.codePoints().toArray()) {
                var known = node.next.get(c);
                if (known == null && ++count > Limits.AUTOMATON_STATES) {
                    throw tooLarge(work);
                }
                known = known == null ? new Trie() : known;
                node.next.put(c, known);
                node = known;
            }
            node.ends = true;
        }
        return explore(
                work,
                root,
                node -> node.ends,
                node -> node.next.entrySet().stream()
                        .map(entry -> new Edge<>(entry.getKey(), entry.getKey(), entry.getValue()))
                        .toList());
    }

    private static final class Trie {
        final Map<Integer, Trie> next = new TreeMap<>();
        boolean ends;
    }

    /// All texts of `least` to `most` code points.
    static Dfa length(Work work, int least, int most) {
        var end = most == Integer.MAX_VALUE ? least : most;
        return explore(work, 0, n -> n >= least, n -> {
            if (n < end) {
                return edges(CodePoints.ALL, n + 1);
            }
            return most == Integer.MAX_VALUE ? edges(CodePoints.ALL, n) : List.<Edge<Integer>>of();
        });
    }

    /// All texts up to and with the first `end` in them.
    static Dfa until(String end) {
        var characters = end.codePoints().toArray();
        return explore(new Work("end"), 0, n -> n == characters.length, n -> afterFirst(characters, n));
    }

    /// All texts without `part` in them.
    static Dfa without(String part) {
        var characters = part.codePoints().toArray();
        return explore(new Work("end"), 0, n -> n < characters.length, n -> afterFirst(characters, n));
    }

    /// What follows the first `n` characters of a text that is looked for; nothing if it has been found.
    private static List<Edge<Integer>> afterFirst(int[] characters, int n) {
        if (n == characters.length) {
            return List.of();
        }
        var byTarget = new TreeMap<Integer, CodePoints>();
        var rest = CodePoints.ALL;
        for (var c : Arrays.stream(characters).distinct().toArray()) {
            var one = CodePoints.of(c, c);
            byTarget.merge(overlap(characters, n, c), one, CodePoints::or);
            rest = rest.minus(one);
        }
        byTarget.merge(0, rest, CodePoints::or);
        return sorted(byTarget);
    }

    /// How much of the beginning of `text` ends `text[0..n] + c`.
    private static int overlap(int[] text, int n, int c) {
        for (var length = n + 1; length > 0; length--) {
            if (text[length - 1] == c && Arrays.equals(text, 0, length - 1, text, n - length + 1, n)) {
                return length;
            }
        }
        return 0;
    }

    static <S> List<Edge<S>> sorted(Map<S, CodePoints> byTarget) {
        var found = new ArrayList<Edge<S>>();
        byTarget.forEach((target, set) -> found.addAll(edges(set, target)));
        found.sort((a, b) -> Integer.compare(a.low, b.low));
        return found;
    }

    Dfa combine(Work work, Operation operation, Dfa other) {
        return explore(
                work,
                new Pair(0, 0),
                pair -> operation.accepts(accepts(pair.first), other.accepts(pair.second)),
                pair -> {
                    var found = new ArrayList<Edge<Pair>>();
                    var left = row(pair.first);
                    var right = other.row(pair.second);
                    var low = 0;
                    // The ranges between all bounds of both.
                    for (int i = 0, j = 0; i < left.length || j < right.length; ) {
                        var startsLeft = i < left.length && left[i] <= low;
                        var startsRight = j < right.length && right[j] <= low;
                        var high = Math.min(bound(left, i, startsLeft), bound(right, j, startsRight));
                        var first = startsLeft ? left[i + 2] : DEAD;
                        var second = startsRight ? right[j + 2] : DEAD;
                        if (operation.lives(first != DEAD, second != DEAD)) {
                            found.add(new Edge<>(low, high, new Pair(first, second)));
                        }
                        low = high + 1;
                        i += i < left.length && left[i + 1] < low ? 3 : 0;
                        j += j < right.length && right[j + 1] < low ? 3 : 0;
                    }
                    return found;
                });
    }

    private static int bound(int[] row, int i, boolean inside) {
        return i >= row.length ? CodePoints.LAST : inside ? row[i + 1] : row[i] - 1;
    }

    private static final int[] NO_EDGES = {};

    private int[] row(int state) {
        return state == DEAD ? NO_EDGES : edges[state];
    }

    boolean accepts(int state) {
        return state != DEAD && accepts[state];
    }

    int states() {
        return accepts.length;
    }

    /// The edges of a state by target.
    Map<Integer, CodePoints> targets(int state) {
        var found = new TreeMap<Integer, List<CodePoints>>();
        var row = edges[state];
        for (var i = 0; i < row.length; i += 3) {
            found.computeIfAbsent(row[i + 2], _ -> new ArrayList<>()).add(CodePoints.of(row[i], row[i + 1]));
        }
        var sets = new TreeMap<Integer, CodePoints>();
        found.forEach((target, ranges) -> sets.put(target, CodePoints.union(ranges)));
        return sets;
    }

    boolean matches(String text) {
        var state = 0;
        for (var c : text.codePoints().toArray()) {
            state = next(state, c);
            if (state == DEAD) {
                return false;
            }
        }
        return accepts[state];
    }

    private int next(int state, int c) {
        var row = edges[state];
        var low = 0;
        var high = row.length / 3 - 1;
        while (low <= high) {
            var middle = (low + high) / 2;
            if (c < row[3 * middle]) {
                high = middle - 1;
            } else if (c > row[3 * middle + 1]) {
                low = middle + 1;
            } else {
                return row[3 * middle + 2];
            }
        }
        return DEAD;
    }

    /// Whether it has no text at all.
    boolean isEmpty() {
        return !accepts[0] && edges[0].length == 0;
    }

    /// Without the edges to states from which no text is accepted. Such states stay, without edges to them.
    private Dfa trimmed() {
        var into = new ArrayList<List<Integer>>();
        for (var i = 0; i < edges.length; i++) {
            into.add(new ArrayList<>());
        }
        for (var state = 0; state < edges.length; state++) {
            for (var i = 2; i < edges[state].length; i += 3) {
                into.get(edges[state][i]).add(state);
            }
        }
        var live = new boolean[edges.length];
        var queue = new ArrayDeque<Integer>();
        for (var state = 0; state < edges.length; state++) {
            if (accepts[state]) {
                live[state] = true;
                queue.add(state);
            }
        }
        while (!queue.isEmpty()) {
            for (var from : into.get(queue.remove())) {
                if (!live[from]) {
                    live[from] = true;
                    queue.add(from);
                }
            }
        }
        return kept(live);
    }

    private Dfa kept(boolean[] live) {
        var ids = new int[live.length];
        var count = 1;
        for (var state = 1; state < live.length; state++) {
            ids[state] = live[state] ? count++ : DEAD;
        }
        ids[0] = live[0] ? 0 : DEAD;
        var newAccepts = new boolean[count];
        var newEdges = new int[count][];
        for (var state = 0; state < live.length; state++) {
            if (state > 0 && !live[state]) {
                continue;
            }
            var row = new int[edges[state].length];
            var at = 0;
            for (var i = 0; i < row.length; i += 3) {
                var target = ids[edges[state][i + 2]];
                if (target != DEAD) {
                    row[at++] = edges[state][i];
                    row[at++] = edges[state][i + 1];
                    row[at++] = target;
                }
            }
            var id = state == 0 ? 0 : ids[state];
            newAccepts[id] = accepts[state];
            newEdges[id] = Arrays.copyOf(row, at);
        }
        return new Dfa(newAccepts, newEdges);
    }
}
