package dev.llmworker.constraint;

import java.util.ArrayDeque;
import java.util.HashSet;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/// Runs a grammar in the plainest way: it keeps every way through it apart, and remembers nothing.
final class ReferenceAcceptor {
    private record Frame(int node, int count, @Nullable Frame below) {}

    private record Place(int node, int count, @Nullable Frame stack) {}

    private final Grammar grammar;
    private final Set<Place> places;

    ReferenceAcceptor(Grammar grammar) {
        this(grammar, Set.of(new Place(grammar.root, 0, null)));
    }

    private ReferenceAcceptor(Grammar grammar, Set<Place> places) {
        this.grammar = grammar;
        this.places = closure(places);
    }

    boolean accepts() {
        return places.stream().anyMatch(place -> grammar.isEnd[place.node] && place.stack == null);
    }

    /// Null if the byte may not follow.
    @Nullable
    ReferenceAcceptor after(int b) {
        var next = new HashSet<Place>();
        for (var place : places) {
            for (var edge = grammar.first[place.node]; edge < grammar.first[place.node + 1]; edge++) {
                var range = grammar.kind[edge];
                if (range >= 0 && b >= (range & 0xFF) && b <= range >> 8) {
                    next.add(new Place(grammar.target[edge], 0, place.stack));
                }
            }
        }
        return next.isEmpty() ? null : new ReferenceAcceptor(grammar, next);
    }

    @Nullable
    ReferenceAcceptor after(byte[] bytes) {
        var at = this;
        for (var b : bytes) {
            at = at.after(b & 0xFF);
            if (at == null) {
                return null;
            }
        }
        return at;
    }

    private Set<Place> closure(Set<Place> from) {
        var found = new HashSet<Place>();
        var open = new ArrayDeque<>(from);
        while (!open.isEmpty()) {
            var place = open.remove();
            if (!found.add(place)) {
                continue;
            }
            var stack = place.stack;
            if (grammar.isEnd[place.node] && stack != null) {
                open.add(new Place(stack.node, stack.count, stack.below));
            }
            for (var edge = grammar.first[place.node]; edge < grammar.first[place.node + 1]; edge++) {
                var target = grammar.target[edge];
                var part = grammar.part[edge];
                switch (grammar.kind[edge]) {
                    case Grammar.JUMP -> open.add(new Place(target, 0, stack));
                    case Grammar.CALL, Grammar.FREE_CALL -> open.add(new Place(part, 0, new Frame(target, 0, stack)));
                    case Grammar.REPEAT -> {
                        if (place.count < grammar.most[edge]) {
                            // Without a limit, the count is told apart up to the least one.
                            var count = grammar.most[edge] == Integer.MAX_VALUE
                                    ? Math.min(place.count + 1, grammar.least[edge])
                                    : place.count + 1;
                            open.add(new Place(part, 0, new Frame(place.node, count, stack)));
                        }
                        if (place.count >= grammar.least[edge]) {
                            open.add(new Place(target, 0, stack));
                        }
                    }
                    default -> {
                        // A byte.
                    }
                }
            }
        }
        return found;
    }
}
