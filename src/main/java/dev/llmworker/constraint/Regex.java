package dev.llmworker.constraint;

import dev.llmworker.constraint.RegexParser.Characters;
import dev.llmworker.constraint.RegexParser.Either;
import dev.llmworker.constraint.RegexParser.End;
import dev.llmworker.constraint.RegexParser.Repeat;
import dev.llmworker.constraint.RegexParser.Sequence;
import dev.llmworker.constraint.RegexParser.Start;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;

/// A regular expression as an automaton: first with free steps, then deterministic.
final class Regex {
    private static final int FREE = -1;
    private static final int AT_START = -2;
    private static final int AT_END = -3;

    /// What the deterministic automaton's state stands for.
    private record Subset(BitSet nodes, boolean isStart) {}

    private final Work work;
    /// By node: pairs of a set's index, or a free step's kind, and the target.
    private final List<List<int[]>> edges = new ArrayList<>();
    private int edgeCount;
    /// For [#closure]: the nodes to follow, each once.
    private int[] open = {};
    private final Map<CodePoints, Integer> sets = new LinkedHashMap<>();

    private Regex(Work work) {
        this.work = work;
    }

    /// The texts that match as a whole.
    static Dfa whole(Work work, String pattern) {
        return new Regex(work).compile(RegexParser.parse(work, pattern), false);
    }

    /// The texts with a match somewhere in them.
    static Dfa search(Work work, String pattern) {
        return new Regex(work).compile(RegexParser.parse(work, pattern), true);
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
        if (++edgeCount > Limits.REGEX_EDGES) {
            throw work.rejected("becomes more than " + Limits.REGEX_EDGES + " edges with its repetitions written out");
        }
        work.spend(1);
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
        open = new int[edges.size()];
        var from = new BitSet();
        from.set(start);
        var first = new Subset(closure(from, true, false), true);
        return Dfa.explore(
                work,
                first,
                subset -> closure(subset.nodes, subset.isStart, true).get(end),
                subset -> step(subset, classes));
    }

    private List<Dfa.Edge<Subset>> step(Subset subset, Map<BitSet, CodePoints> classes) {
        var byTarget = new HashMap<Subset, List<CodePoints>>();
        classes.forEach((members, set) -> {
            var targets = new BitSet();
            work.spend(1 + set.bounds().length);
            for (var node = subset.nodes.nextSetBit(0); node >= 0; node = subset.nodes.nextSetBit(node + 1)) {
                work.spend(1 + edges.get(node).size());
                for (var edge : edges.get(node)) {
                    if (edge[0] >= 0 && members.get(edge[0])) {
                        targets.set(edge[1]);
                    }
                }
            }
            if (!targets.isEmpty()) {
                var target = new Subset(closure(targets, false, false), false);
                byTarget.computeIfAbsent(target, _ -> new ArrayList<>()).add(set);
            }
        });
        var joined = new HashMap<Subset, CodePoints>();
        byTarget.forEach((target, sets) -> joined.put(target, CodePoints.union(sets)));
        return Dfa.sorted(joined);
    }

    /// The code points that no set of this expression tells apart, by the sets that have them; without those
    /// that no set has.
    private Map<BitSet, CodePoints> classes() {
        // Where a set begins or ends, in one number each.
        var borders = sets.entrySet().stream()
                .flatMapToLong(set -> IntStream.range(0, set.getKey().bounds().length)
                        .mapToLong(i -> (long) (set.getKey().bounds()[i] + i % 2) << 32 | set.getValue()))
                .sorted()
                .toArray();
        var ranges = new LinkedHashMap<BitSet, List<CodePoints>>();
        var members = new BitSet();
        for (var i = 0; i + 1 < borders.length; i++) {
            work.spend(1 + sets.size() / Long.SIZE);
            members.flip((int) borders[i]);
            var low = (int) (borders[i] >> 32);
            var next = (int) (borders[i + 1] >> 32);
            if (low < next && !members.isEmpty()) {
                var known = ranges.get(members);
                if (known == null) {
                    known = new ArrayList<>();
                    ranges.put((BitSet) members.clone(), known);
                }
                known.add(CodePoints.of(low, next - 1));
            }
        }
        var classes = new LinkedHashMap<BitSet, CodePoints>();
        ranges.forEach((key, parts) -> classes.put(key, CodePoints.union(parts)));
        return classes;
    }

    /// The nodes that free steps reach.
    private BitSet closure(BitSet from, boolean atStart, boolean atEnd) {
        var seen = (BitSet) from.clone();
        var count = 0;
        for (var node = from.nextSetBit(0); node >= 0; node = from.nextSetBit(node + 1)) {
            open[count++] = node;
        }
        while (count > 0) {
            var node = open[--count];
            work.spend(1 + edges.get(node).size());
            for (var edge : edges.get(node)) {
                var isFree = edge[0] == FREE || edge[0] == AT_START && atStart || edge[0] == AT_END && atEnd;
                if (isFree && !seen.get(edge[1])) {
                    seen.set(edge[1]);
                    open[count++] = edge[1];
                }
            }
        }
        return seen;
    }
}
