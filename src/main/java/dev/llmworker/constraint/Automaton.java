package dev.llmworker.constraint;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/// Runs a grammar over bytes. Where the grammar leaves several ways open, all are followed at once, so a state
/// is a set of places with the calls that led there. States and their steps are made when they are first
/// needed, and kept for the next time: what is walked twice costs a look into a table.
///
/// Threading: one thread at a time.
final class Automaton {
    /// Where calls return to. Frames of the same kind are one, so a stack is a tree whose branches are the ways
    /// that led here; a grammar that leaves two ways open at each of a hundred levels has a stack of a hundred
    /// frames.
    private static final class Stack {
        /// The node, and above 32 bits the count of a repetition; ascending.
        final long[] frames;
        final Stack[] below;
        final boolean isBottom;
        final int depth;
        final int hash;

        Stack(long[] frames, Stack[] below, boolean isBottom) {
            this.frames = frames;
            this.below = below;
            this.isBottom = isBottom;
            var deepest = 0;
            for (var stack : below) {
                deepest = Math.max(deepest, stack.depth);
            }
            depth = deepest + 1;
            hash = (Arrays.hashCode(frames) * 31 + Arrays.hashCode(below)) * 31 + Boolean.hashCode(isBottom);
        }

        @Override
        public int hashCode() {
            return hash;
        }

        @Override
        public boolean equals(@Nullable Object other) {
            return other instanceof Stack stack
                    && hash == stack.hash
                    && isBottom == stack.isBottom
                    && Arrays.equals(frames, stack.frames)
                    && areSame(below, stack.below);
        }

        /// Stacks that others refer to have been made unique, so they are compared by identity.
        static boolean areSame(Object[] some, Object[] others) {
            return Arrays.equals(some, others, (one, other) -> one == other ? 0 : 1);
        }
    }

    /// A set of places, each with its stack. Only places from which a byte leads on are kept.
    static final class State {
        private final int[] places;
        private final Stack[] stacks;
        /// Whether the text may end here.
        final boolean accepts;
        private final int epoch;
        private final int hash;
        private final long[] allowed = new long[4];
        private State @Nullable [] next;
        /// The states after one plain character; empty if some plain character is not allowed.
        private State @Nullable [] afterPlain;
        private @Nullable Mask mask;

        private State(int[] places, Stack[] stacks, boolean accepts, int epoch) {
            this.places = places;
            this.stacks = stacks;
            this.accepts = accepts;
            this.epoch = epoch;
            hash = (Arrays.hashCode(places) * 31 + Arrays.hashCode(stacks)) * 31 + Boolean.hashCode(accepts);
        }

        /// Whether the mask is known. Any thread may ask: a mask does not change once it is there, and it holds even if
        /// the automaton has forgotten the state.
        boolean copyMask(long[] bits) {
            var known = mask;
            if (known != null) {
                known.into(bits);
            }
            return known != null;
        }

        boolean allows(int b) {
            return (allowed[b >> 6] >>> b & 1) != 0;
        }

        /// Whether no byte may follow.
        boolean isLast() {
            return places.length == 0;
        }

        @Override
        public int hashCode() {
            return hash;
        }

        @Override
        public boolean equals(@Nullable Object other) {
            return other instanceof State state
                    && hash == state.hash
                    && accepts == state.accepts
                    && Arrays.equals(places, state.places)
                    && Stack.areSame(stacks, state.stacks);
        }
    }

    /// A mask as it is kept: the tokens of it if they are few, or all bits.
    private record Mask(int @Nullable [] few, long @Nullable [] all) {
        static Mask of(long[] bits) {
            var tokens = BitSet.valueOf(bits);
            return tokens.cardinality() > bits.length / 2
                    ? new Mask(null, bits.clone())
                    : new Mask(tokens.stream().toArray(), null);
        }

        void into(long[] bits) {
            if (all != null) {
                System.arraycopy(all, 0, bits, 0, all.length);
                return;
            }
            Arrays.fill(bits, 0);
            if (few != null) {
                for (var id : few) {
                    bits[id >> 6] |= 1L << id;
                }
            }
        }

        long bytes() {
            return 32 + (few == null ? 0 : 4L * few.length) + (all == null ? 0 : 8L * all.length);
        }
    }

    private static final State[] NONE = {};
    private static final int MAX_AFTER_PLAIN = 16;
    private static final int STATE_BYTES = 250;
    /// The bytes of plain characters: for each sequence a low and a high byte for each byte of the character.
    private static final List<int[]> PLAIN_SEQUENCES = plainSequences();

    private final Grammar grammar;
    private final TokenTrie tokens;
    private final long maxBytes;
    private final int maxSteps;
    private Map<State, State> states = new HashMap<>();
    private Map<Stack, Stack> stacks = new HashMap<>();
    private long bytes;
    /// Since the last [#trim()].
    private int steps;
    private int epoch;
    private final State dead;
    /// For [#walk]: the states and the trie's nodes on the way.
    private State[] way = new State[64];
    private int[] wayEnd = new int[64];

    private final Stack bottom = new Stack(new long[0], new Stack[0], true);

    /// @param maxBytes of states and masks that are kept
    /// @param maxSteps for one mask or token
    Automaton(Grammar grammar, TokenTrie tokens, long maxBytes, int maxSteps) {
        this.maxSteps = maxSteps;
        this.maxBytes = maxBytes;
        this.grammar = grammar;
        this.tokens = tokens;
        dead = new State(new int[0], new Stack[0], false, 0);
    }

    private static List<int[]> plainSequences() {
        var found = new ArrayList<int[]>();
        Utf8.sequences(JsonGrammar.PLAIN, found::add);
        return found;
    }

    State start() {
        var closure = new Closure();
        closure.add(grammar.root, 0, bottom);
        return closure.state();
    }

    /// An estimate of what the states and masks take.
    long bytes() {
        return bytes;
    }

    /// The state itself, or the one that replaces it after states were dropped.
    State current(State state) {
        if (state.epoch == epoch) {
            return state;
        }
        var copies = new HashMap<Stack, Stack>();
        var closure = new Closure();
        for (var i = 0; i < state.places.length; i++) {
            closure.add(state.places[i], 0, copied(state.stacks[i], copies));
        }
        closure.accepts |= state.accepts;
        return closure.state();
    }

    /// The same stack among those of now; without recursion, because a stack may be deep.
    private Stack copied(Stack stack, Map<Stack, Stack> copies) {
        var open = new ArrayDeque<Stack>();
        open.push(stack);
        while (!open.isEmpty()) {
            spend();
            var top = open.peek();
            var missing = false;
            for (var below : top.below) {
                if (!copies.containsKey(below)) {
                    open.push(below);
                    missing = true;
                }
            }
            if (!missing) {
                open.pop();
                var below = new Stack[top.below.length];
                Arrays.setAll(below, i -> Objects.requireNonNull(copies.get(top.below[i])));
                copies.put(top, top == bottom ? bottom : unique(new Stack(top.frames, below, top.isBottom)));
            }
        }
        return Objects.requireNonNull(copies.get(stack));
    }

    /// Drops the states if they take more than the limit. Whoever holds one goes on with [#current].
    void trim() {
        steps = 0;
        if (bytes > maxBytes) {
            states = new HashMap<>();
            stacks = new HashMap<>();
            bytes = 0;
            epoch++;
        }
    }

    /// Counts a step of the token.
    ///
    /// @throws ConstraintException if it takes too many, or too much memory
    private void spend() {
        if (++steps > maxSteps) {
            throw new ConstraintException(
                    "the schema", "takes more than " + maxSteps + " steps for one token; the limit bounds time");
        }
        if (bytes - maxBytes > Limits.TOKEN_BYTES) {
            throw new ConstraintException(
                    "the schema",
                    "takes more than " + Limits.TOKEN_BYTES + " bytes for one token; the limit bounds memory");
        }
    }

    /// Null if the byte may not follow.
    @Nullable
    State step(State state, int b) {
        var table = state.next;
        if (table != null) {
            var known = table[grammar.byteClass[b]];
            if (known != null) {
                return known == dead ? null : known;
            }
        }
        if (!state.allows(b)) {
            return null;
        }
        if (table == null) {
            table = new State[grammar.classes];
            state.next = table;
            bytes += 16 + 4L * grammar.classes;
        }
        var closure = new Closure();
        for (var i = 0; i < state.places.length; i++) {
            var place = state.places[i];
            for (var edge = grammar.first[place]; edge < grammar.first[place + 1]; edge++) {
                var range = grammar.kind[edge];
                if (range >= 0 && b >= (range & 0xFF) && b <= range >> 8) {
                    closure.add(grammar.target[edge], 0, state.stacks[i]);
                }
            }
        }
        var next = closure.state();
        if (next.places.length == 0 && !next.accepts) {
            next = dead;
        }
        table[grammar.byteClass[b]] = next;
        return next == dead ? null : next;
    }

    /// Null if the bytes may not follow.
    @Nullable
    State after(State state, byte[] bytes) {
        @Nullable State at = state;
        for (var i = 0; i < bytes.length && at != null; i++) {
            at = step(at, bytes[i] & 0xFF);
        }
        return at;
    }

    /// The places that jumps, calls and returns reach without a byte.
    private final class Closure {
        private final Map<Long, Stack> seen = new HashMap<>();
        private final ArrayDeque<Long> queue = new ArrayDeque<>();
        boolean accepts;

        /// Adds a place; if it is there already, with another stack, its stack becomes both.
        void add(int node, int count, Stack stack) {
            spend();
            var key = (long) count << 32 | node;
            var known = seen.get(key);
            var both = known == null ? stack : union(known, stack);
            if (both != known) {
                if (known == null && seen.size() >= Limits.PLACES) {
                    throw new ConstraintException(
                            "the schema",
                            "leaves more than " + Limits.PLACES + " ways open at once; the limit bounds time");
                }
                seen.put(key, both);
                queue.add(key);
            }
        }

        State state() {
            while (!queue.isEmpty()) {
                var key = queue.remove();
                follow((int) (long) key, (int) (key >> 32), Objects.requireNonNull(seen.get(key)));
            }
            var keys = new long[seen.size()];
            var count = 0;
            for (var key : seen.keySet()) {
                if (readsByte((int) (long) key)) {
                    keys[count++] = key;
                }
            }
            Arrays.sort(keys, 0, count);
            var places = new int[count];
            var held = new Stack[count];
            for (var i = 0; i < count; i++) {
                places[i] = (int) keys[i];
                held[i] = Objects.requireNonNull(seen.get(keys[i]));
            }
            return unique(new State(places, held, accepts, epoch));
        }

        private void follow(int node, int count, Stack stack) {
            if (grammar.isEnd[node]) {
                accepts |= stack.isBottom;
                for (var i = 0; i < stack.frames.length; i++) {
                    add((int) stack.frames[i], (int) (stack.frames[i] >> 32), stack.below[i]);
                }
            }
            for (var edge = grammar.first[node]; edge < grammar.first[node + 1]; edge++) {
                var target = grammar.target[edge];
                switch (grammar.kind[edge]) {
                    case Grammar.JUMP -> add(target, 0, stack);
                    case Grammar.CALL -> call(grammar.part[edge], target, 0, stack, Limits.DEPTH);
                    case Grammar.FREE_CALL -> call(grammar.part[edge], target, 0, stack, Limits.FREE_DEPTH);
                    case Grammar.REPEAT -> repeat(edge, node, count, stack);
                    default -> {
                        // A byte.
                    }
                }
            }
        }

        private void repeat(int edge, int node, int count, Stack stack) {
            var least = grammar.least[edge];
            var most = grammar.most[edge];
            if (count < most) {
                var counted = most == Integer.MAX_VALUE ? Math.min(count + 1, least) : count + 1;
                call(grammar.part[edge], node, counted, stack, Limits.DEPTH);
            }
            if (count >= least) {
                add(grammar.target[edge], 0, stack);
            }
        }

        private void call(int called, int back, int count, Stack stack, int maxDepth) {
            if (stack.depth < maxDepth) {
                var frame = new long[] {(long) count << 32 | back};
                add(called, 0, unique(new Stack(frame, new Stack[] {stack}, false)));
            }
        }
    }

    private boolean readsByte(int node) {
        for (var edge = grammar.first[node]; edge < grammar.first[node + 1]; edge++) {
            if (grammar.kind[edge] >= 0) {
                return true;
            }
        }
        return false;
    }

    private Stack union(Stack a, Stack b) {
        if (a == b) {
            return a;
        }
        spend();
        var frames = new long[a.frames.length + b.frames.length];
        var below = new Stack[frames.length];
        var count = 0;
        var i = 0;
        var j = 0;
        while (i < a.frames.length || j < b.frames.length) {
            spend();
            if (j == b.frames.length || i < a.frames.length && a.frames[i] < b.frames[j]) {
                frames[count] = a.frames[i];
                below[count++] = a.below[i++];
            } else if (i == a.frames.length || b.frames[j] < a.frames[i]) {
                frames[count] = b.frames[j];
                below[count++] = b.below[j++];
            } else {
                frames[count] = a.frames[i];
                below[count++] = union(a.below[i++], b.below[j++]);
            }
        }
        return unique(new Stack(Arrays.copyOf(frames, count), Arrays.copyOf(below, count), a.isBottom || b.isBottom));
    }

    private Stack unique(Stack stack) {
        if (stack.isBottom && stack.frames.length == 0) {
            return bottom;
        }
        var known = stacks.putIfAbsent(stack, stack);
        if (known == null) {
            bytes += 120 + 16L * stack.frames.length;
            return stack;
        }
        return known;
    }

    private State unique(State state) {
        var known = states.putIfAbsent(state, state);
        if (known != null) {
            return known;
        }
        bytes += STATE_BYTES + 12L * state.places.length;
        for (var place : state.places) {
            for (var edge = grammar.first[place]; edge < grammar.first[place + 1]; edge++) {
                if (grammar.kind[edge] >= 0) {
                    allow(state.allowed, grammar.kind[edge] & 0xFF, grammar.kind[edge] >> 8);
                }
            }
        }
        return state;
    }

    private static void allow(long[] set, int low, int high) {
        for (var word = low >> 6; word <= high >> 6; word++) {
            var from = word == low >> 6 ? low & 63 : 0;
            var to = word == high >> 6 ? high & 63 : 63;
            set[word] |= -1L >>> 63 - to & -1L << from;
        }
    }

    /// Writes the tokens that may follow, those that end the answer among them.
    void mask(State state, long[] bits) {
        if (!state.copyMask(bits)) {
            var free = freeCharacters(state);
            System.arraycopy(tokens.plain(free), 0, bits, 0, bits.length);
            walk(state, tokens.without(free), bits);
            if (state.accepts) {
                for (var id : tokens.endOfSequence()) {
                    bits[id >> 6] |= 1L << id;
                }
            }
            var found = Mask.of(bits);
            state.mask = found;
            bytes += found.bytes();
        }
    }

    private void walk(State from, TokenTrie.Trie trie, long[] bits) {
        var label = trie.label();
        var end = trie.end();
        var token = trie.token();
        var depth = 0;
        way[0] = from;
        wayEnd[0] = label.length;
        for (var i = 0; i < label.length; ) {
            while (i >= wayEnd[depth]) {
                depth--;
            }
            var next = step(way[depth], label[i] & 0xFF);
            if (next == null) {
                i = end[i];
                continue;
            }
            for (var id = token[i]; id >= 0; id = tokens.next(id)) {
                bits[id >> 6] |= 1L << id;
            }
            if (++depth == way.length) {
                way = Arrays.copyOf(way, 2 * depth);
                wayEnd = Arrays.copyOf(wayEnd, 2 * depth);
            }
            way[depth] = next;
            wayEnd[depth] = end[i++];
        }
    }

    /// How many plain characters may follow, whatever they are; at most [TokenTrie#MAX_PLAIN].
    private int freeCharacters(State state) {
        var level = new State[] {state};
        for (var count = 0; count < TokenTrie.MAX_PLAIN; count++) {
            var next = new LinkedHashSet<State>();
            for (var one : level) {
                var after = afterPlain(one);
                if (after.length == 0) {
                    return count;
                }
                next.addAll(Arrays.asList(after));
            }
            var reached = next.toArray(State[]::new);
            if (reached.length > MAX_AFTER_PLAIN) {
                return count;
            }
            if (Arrays.equals(reached, level)) {
                return TokenTrie.MAX_PLAIN;
            }
            level = reached;
        }
        return TokenTrie.MAX_PLAIN;
    }

    private State[] afterPlain(State state) {
        var known = state.afterPlain;
        if (known == null) {
            known = findAfterPlain(state);
            state.afterPlain = known;
        }
        return known;
    }

    private State[] findAfterPlain(State state) {
        if (PLAIN_SEQUENCES.stream().anyMatch(bounds -> !state.allows(bounds[0]))) {
            return NONE;
        }
        var found = new LinkedHashSet<State>();
        for (var bounds : PLAIN_SEQUENCES) {
            Set<State> level = Set.of(state);
            for (var i = 0; i < bounds.length; i += 2) {
                var next = new LinkedHashSet<State>();
                for (var one : level) {
                    if (!addSteps(one, bounds[i], bounds[i + 1], next)) {
                        return NONE;
                    }
                }
                level = next;
            }
            found.addAll(level);
        }
        return found.size() <= MAX_AFTER_PLAIN ? found.toArray(State[]::new) : NONE;
    }

    private boolean addSteps(State state, int low, int high, Set<State> found) {
        for (var b = low; b <= high; b++) {
            if (b == low || grammar.byteClass[b] != grammar.byteClass[b - 1]) {
                spend();
                var next = step(state, b);
                if (next == null) {
                    return false;
                }
                found.add(next);
            }
        }
        return true;
    }
}
