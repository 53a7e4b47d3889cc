package dev.llmworker.constraint;

import dev.llmworker.constraint.RegexParser.Characters;
import dev.llmworker.constraint.RegexParser.Either;
import dev.llmworker.constraint.RegexParser.End;
import dev.llmworker.constraint.RegexParser.Repeat;
import dev.llmworker.constraint.RegexParser.Sequence;
import dev.llmworker.constraint.RegexParser.Start;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/// A regular expression as an automaton: first with free steps, then deterministic.
final class Regex {
    private static final int FREE = -1;
    private static final int AT_START = -2;
    private static final int AT_END = -3;

    /// What the deterministic automaton's state stands for.
    ///
    /// @param nodes ascending
    private record Subset(List<Integer> nodes, boolean isStart) {}

    private final Work work;
    /// By node: pairs of a set's index, or a free step's kind, and the target.
    private final List<List<int[]>> edges = new ArrayList<>();
    private final Map<CodePoints, Integer> sets = new LinkedHashMap<>();

    private Regex(Work work) {
        this.work = work;
    }

    /// The texts that match as a whole.
    static Dfa whole(Work work, String pattern) {
        return new Regex(work).compile(RegexParser.parse(work.path(), pattern), false);
    }

    /// The texts with a match somewhere in them.
    static Dfa search(Work work, String pattern) {
        return new Regex(work).compile(RegexParser.parse(work.path(), pattern), true);
    }

    private Dfa compile(RegexParser.Node pattern, boolean anywhere) {
        var start = node();
        var end = node();
        emit(pattern, start, end);
        if (anywhere) {
            var all = set(CodePoints.ALL);
            var first = node();
            edge(first, all, first);
            edge(first, FREE, start);
            edge(end, all, end);
            return deterministic(first, end);
        }
        return deterministic(start, end);
    }

    private int node() {
        if (edges.size() >= Limits.REGEX_NODES) {
            throw work.rejected("becomes more than " + Limits.REGEX_NODES + " nodes with its repetitions written out");
        }
        edges.add(new ArrayList<>(2));
        return edges.size() - 1;
    }

    private int set(CodePoints set) {
        var next = sets.size();
        var id = sets.putIfAbsent(set, next);
        return id == null ? next : id;
    }

    private void edge(int from, int kind, int to) {
        edges.get(from).add(new int[] {kind, to});
    }

    private void emit(RegexParser.Node pattern, int from, int to) {
        switch (pattern) {
            case Characters(var set) -> edge(from, set(set), to);
            case Start() -> edge(from, AT_START, to);
            case End() -> edge(from, AT_END, to);
            case Either(var branches) -> branches.forEach(branch -> emit(branch, from, to));
            case Sequence(var parts) -> {
                var at = from;
                for (var part : parts) {
                    var next = node();
                    emit(part, at, next);
                    at = next;
                }
                edge(at, FREE, to);
            }
            case Repeat repeat -> emit(repeat, from, to);
        }
    }

    private void emit(Repeat repeat, int from, int to) {
        var at = from;
        for (var i = 0; i < repeat.least(); i++) {
            var next = node();
            emit(repeat.body(), at, next);
            at = next;
        }
        if (repeat.most() == Integer.MAX_VALUE) {
            var loop = node();
            edge(at, FREE, loop);
            emit(repeat.body(), loop, loop);
            at = loop;
        } else {
            for (var i = repeat.least(); i < repeat.most(); i++) {
                edge(at, FREE, to);
                var next = node();
                emit(repeat.body(), at, next);
                at = next;
            }
        }
        edge(at, FREE, to);
    }

    private Dfa deterministic(int start, int end) {
        var classes = classes();
        var first = new Subset(closure(Set.of(start), true, false), true);
        return Dfa.explore(
                work,
                first,
                subset -> closure(subset.nodes, subset.isStart, true).contains(end),
                subset -> step(subset, classes));
    }

    private List<Dfa.Edge<Subset>> step(Subset subset, Map<BitSet, CodePoints> classes) {
        var byTarget = new HashMap<Subset, CodePoints>();
        classes.forEach((members, set) -> {
            var targets = new LinkedHashSet<Integer>();
            for (var node : subset.nodes) {
                work.spend(edges.get(node).size());
                for (var edge : edges.get(node)) {
                    if (edge[0] >= 0 && members.get(edge[0])) {
                        targets.add(edge[1]);
                    }
                }
            }
            if (!targets.isEmpty()) {
                byTarget.merge(new Subset(closure(targets, false, false), false), set, CodePoints::or);
            }
        });
        return Dfa.sorted(byTarget);
    }

    /// The code points that no set of this expression tells apart, by the sets that have them.
    private Map<BitSet, CodePoints> classes() {
        var classes = new LinkedHashMap<BitSet, CodePoints>();
        classes.put(new BitSet(), CodePoints.ALL);
        sets.forEach((set, id) -> {
            for (var known : new ArrayList<>(classes.entrySet())) {
                var inside = known.getValue().and(set);
                if (inside.isEmpty()) {
                    continue;
                }
                var outside = known.getValue().minus(set);
                classes.remove(known.getKey());
                if (!outside.isEmpty()) {
                    classes.put(known.getKey(), outside);
                }
                var members = (BitSet) known.getKey().clone();
                members.set(id);
                classes.put(members, inside);
            }
        });
        return classes;
    }

    /// The nodes that free steps reach.
    private List<Integer> closure(Iterable<Integer> from, boolean atStart, boolean atEnd) {
        var seen = new BitSet();
        var queue = new ArrayDeque<Integer>();
        from.forEach(queue::add);
        while (!queue.isEmpty()) {
            var node = queue.remove();
            if (seen.get(node)) {
                continue;
            }
            seen.set(node);
            work.spend(1);
            for (var edge : edges.get(node)) {
                if (edge[0] == FREE || edge[0] == AT_START && atStart || edge[0] == AT_END && atEnd) {
                    queue.add(edge[1]);
                }
            }
        }
        return Arrays.stream(seen.stream().toArray()).boxed().toList();
    }
}
