package dev.llmworker.constraint;

import java.nio.charset.StandardCharsets;
import java.util.ArrayDeque;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;

/// A recursive automaton over bytes: nodes with edges, some of which call other parts of the grammar. A part
/// ends at a node that is an end. From each node an end can be reached.
///
/// Threading: any thread.
final class Grammar {
    /// What an edge does. A number from 0 is a range of bytes: the low one, and the high one times 256.
    static final int JUMP = -1;
    static final int CALL = -2;
    /// A call that is left out if calls nest too deep. It stands only where the grammar has another way.
    static final int FREE_CALL = -3;
    /// Calls a part several times; the node counts.
    static final int REPEAT = -4;

    final int root;
    /// By node: where its edges begin in the other arrays; one more than there are nodes.
    final int[] first;
    final int[] kind;
    /// Where the edge leads, or a call returns.
    final int[] target;
    /// The first node of the part that is called.
    final int[] part;
    /// The bounds of a repetition; [Integer#MAX_VALUE] for none.
    final int[] least;
    final int[] most;
    final boolean[] isEnd;
    /// By byte: bytes of the same class lead to the same nodes from each node. Classes are ranges, in ascending
    /// order.
    final int[] byteClass = new int[256];
    final int classes;

    private Grammar(Builder from, boolean[] live, int root) {
        this.root = root;
        var nodes = from.nodes;
        first = new int[nodes + 1];
        isEnd = Arrays.copyOf(from.isEnd, nodes);
        kind = new int[from.edges];
        target = new int[from.edges];
        part = new int[from.edges];
        least = new int[from.edges];
        most = new int[from.edges];
        var at = 0;
        for (var node = 0; node < nodes; node++) {
            first[node] = at;
            for (var edge = from.head[node]; edge >= 0; edge = from.next[edge]) {
                if (!from.isLive(edge, live)) {
                    continue;
                }
                kind[at] = from.kind[edge];
                // A repetition that may be left out, of what has no text, is a jump.
                if (kind[at] == REPEAT && !live[from.part[edge]]) {
                    kind[at] = JUMP;
                }
                target[at] = from.target[edge];
                part[at] = from.part[edge];
                least[at] = from.least[edge];
                most[at] = from.most[edge];
                at++;
            }
        }
        first[nodes] = at;
        classes = classify(at);
    }

    private int classify(int edges) {
        var begins = new boolean[257];
        for (var edge = 0; edge < edges; edge++) {
            if (kind[edge] >= 0) {
                begins[kind[edge] & 0xFF] = true;
                begins[(kind[edge] >> 8) + 1] = true;
            }
        }
        for (var b = 1; b < 256; b++) {
            byteClass[b] = byteClass[b - 1] + (begins[b] ? 1 : 0);
        }
        return byteClass[255] + 1;
    }

    long bytes() {
        return 20L * kind.length + 5L * first.length;
    }

    /// Adds nodes and edges. Whoever adds an edge says from which node and to which node it leads.
    static final class Builder {
        private record Range(int low, int high, int to) {}

        private int nodes;
        private int edges;
        private int[] head = new int[256];
        private boolean[] isEnd = new boolean[256];
        private int[] next = new int[512];
        private int[] kind = new int[512];
        private int[] target = new int[512];
        private int[] part = new int[512];
        private int[] least = new int[512];
        private int[] most = new int[512];
        private final Map<Range, Integer> ranges = new HashMap<>();

        int node() {
            if (nodes >= Limits.GRAMMAR_NODES) {
                throw new ConstraintException(
                        "the schema",
                        "becomes more than " + Limits.GRAMMAR_NODES + " nodes; the limit bounds its size");
            }
            if (nodes == head.length) {
                head = Arrays.copyOf(head, 2 * nodes);
                isEnd = Arrays.copyOf(isEnd, 2 * nodes);
            }
            head[nodes] = -1;
            return nodes++;
        }

        int end() {
            var node = node();
            isEnd[node] = true;
            return node;
        }

        private void edge(int from, int what, int to, int called, int min, int max) {
            if (edges >= Limits.GRAMMAR_EDGES) {
                throw new ConstraintException(
                        "the schema",
                        "becomes more than " + Limits.GRAMMAR_EDGES + " edges; the limit bounds its size");
            }
            if (edges == next.length) {
                next = Arrays.copyOf(next, 2 * edges);
                kind = Arrays.copyOf(kind, 2 * edges);
                target = Arrays.copyOf(target, 2 * edges);
                part = Arrays.copyOf(part, 2 * edges);
                least = Arrays.copyOf(least, 2 * edges);
                most = Arrays.copyOf(most, 2 * edges);
            }
            next[edges] = head[from];
            head[from] = edges;
            kind[edges] = what;
            target[edges] = to;
            part[edges] = called;
            least[edges] = min;
            most[edges] = max;
            edges++;
        }

        void bytes(int from, int low, int high, int to) {
            edge(from, high << 8 | low, to, -1, 0, 0);
        }

        void jump(int from, int to) {
            edge(from, JUMP, to, -1, 0, 0);
        }

        void call(int from, int called, int to) {
            edge(from, CALL, to, called, 0, 0);
        }

        void freeCall(int from, int called, int to) {
            edge(from, FREE_CALL, to, called, 0, 0);
        }

        /// @param called has no empty text
        void repeat(int from, int called, int min, int max, int to) {
            if (max <= 0) {
                jump(from, to);
                return;
            }
            var counter = node();
            jump(from, counter);
            edge(counter, REPEAT, to, called, min, max);
        }

        void text(int from, String text, int to) {
            bytes(from, text.getBytes(StandardCharsets.UTF_8), to);
        }

        void bytes(int from, byte[] literal, int to) {
            if (literal.length == 0) {
                jump(from, to);
                return;
            }
            var at = from;
            for (var i = 0; i < literal.length; i++) {
                var after = i == literal.length - 1 ? to : node();
                bytes(at, literal[i] & 0xFF, literal[i] & 0xFF, after);
                at = after;
            }
        }

        /// The texts of an automaton, as they are.
        void texts(int from, Dfa texts, int to) {
            var states = new int[texts.states()];
            Arrays.setAll(states, _ -> node());
            jump(from, states[0]);
            for (var state = 0; state < states.length; state++) {
                var node = states[state];
                texts.targets(state).forEach((target, set) -> characters(node, set, states[target]));
                if (texts.accepts(state)) {
                    jump(node, to);
                }
            }
        }

        /// Any one character of a set.
        void characters(int from, CodePoints set, int to) {
            Utf8.sequences(set, bytes -> sequence(from, bytes, to));
        }

        /// @param bounds the low and the high byte, for each byte of the character
        private void sequence(int from, int[] bounds, int to) {
            var after = to;
            for (var i = bounds.length - 2; i > 0; i -= 2) {
                after = before(bounds[i], bounds[i + 1], after);
            }
            bytes(from, bounds[0], bounds[1], after);
        }

        /// A node whose only edge leads to `to`; the same one each time.
        private int before(int low, int high, int to) {
            var range = new Range(low, high, to);
            var known = ranges.get(range);
            if (known != null) {
                return known;
            }
            var node = node();
            bytes(node, low, high, to);
            ranges.put(range, node);
            return node;
        }

        private boolean isLive(int edge, boolean[] live) {
            return switch (kind[edge]) {
                case CALL, FREE_CALL -> live[part[edge]] && live[target[edge]];
                case REPEAT -> live[target[edge]] && (least[edge] == 0 || live[part[edge]]);
                default -> live[target[edge]];
            };
        }

        /// @throws ConstraintException if no text is allowed
        Grammar build(int root) {
            var live = liveNodes();
            if (!live[root]) {
                throw new ConstraintException("$", "allows no value: its keywords contradict each other");
            }
            return new Grammar(this, live, root);
        }

        /// The nodes from which an end can be reached.
        private boolean[] liveNodes() {
            var users = new int[nodes];
            Arrays.fill(users, -1);
            // Each edge is a user of its target, and of the part that it calls.
            var nextUser = new int[2 * edges];
            var from = new int[edges];
            for (var node = 0; node < nodes; node++) {
                for (var edge = head[node]; edge >= 0; edge = next[edge]) {
                    from[edge] = node;
                    nextUser[2 * edge] = users[target[edge]];
                    users[target[edge]] = 2 * edge;
                    if (part[edge] >= 0) {
                        nextUser[2 * edge + 1] = users[part[edge]];
                        users[part[edge]] = 2 * edge + 1;
                    }
                }
            }
            var live = Arrays.copyOf(isEnd, nodes);
            var queue = new ArrayDeque<Integer>();
            for (var node = 0; node < nodes; node++) {
                if (live[node]) {
                    queue.add(node);
                }
            }
            while (!queue.isEmpty()) {
                for (var user = users[queue.remove()]; user >= 0; user = nextUser[user]) {
                    if (!live[from[user / 2]] && isLive(user / 2, live)) {
                        live[from[user / 2]] = true;
                        queue.add(from[user / 2]);
                    }
                }
            }
            return live;
        }
    }
}
