package dev.llmworker.text;

import dev.llmworker.text.SplitRegex.Anchor;
import dev.llmworker.text.SplitRegex.Atom;
import dev.llmworker.text.SplitRegex.Group;
import dev.llmworker.text.SplitRegex.Node;
import dev.llmworker.text.SplitRegex.Repeat;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/// Which two neighbouring characters of a text an expression can read together. If it cannot read two of them together,
/// it splits the text before and after that place as if each part were alone.
///
/// Threading: immutable.
final class RegexNeighbours {
    /// Expressions with more are taken to read everything together.
    private static final int MAX_ATOMS = 64;
    /// Stands for an atom that may match every character.
    private static final String ANY = "";
    /// Means the same to Java.
    private static final Pattern CLEAR =
            Pattern.compile("(?:\\[\\^?)?(?:(?:[^\\\\\\[\\]&()|^$.*+?{}-]-)?[^\\\\\\[\\]&()|^$.*+?{}-]"
                    + "|\\\\(?:[sSdDwWrnt]|[pP]\\{[A-Z][a-z]?\\}|[^\\p{Alnum}\\s]))++\\]?");

    /// One atom that may be read right after another one.
    private record Pair(String left, String right) {
        // Written out, because the JVM would make them at each start.
        @Override
        public boolean equals(@Nullable Object other) {
            return other instanceof Pair pair && left.equals(pair.left) && right.equals(pair.right);
        }

        @Override
        public int hashCode() {
            return 31 * left.hashCode() + right.hashCode();
        }
    }

    /// @param isEmpty whether the part also matches the empty text
    /// @param first the atoms that can be read first
    private record Ends(boolean isEmpty, Set<String> first, Set<String> last) {}

    private final Set<Pair> pairs = new HashSet<>();
    private final Map<String, Pattern> patterns = new HashMap<>();
    private final List<String> taken = new ArrayList<>();
    private boolean isUnclear;

    RegexNeighbours(List<List<Node>> branches) {
        for (var branch : branches) {
            isUnclear |= ends(branch).isEmpty;
            var atom = taken(branch);
            if (atom != null && CLEAR.matcher(atom).matches()) {
                taken.add(atom);
            }
        }
        for (var pair : pairs) {
            compile(pair.left);
            compile(pair.right);
        }
        taken.forEach(this::compile);
    }

    private void compile(String atom) {
        if (CLEAR.matcher(atom).matches()) {
            patterns.computeIfAbsent(atom, source -> Pattern.compile("(?Us)" + source));
        }
    }

    /// Whether a match, or an attempt at one, can read `left` and then `right`.
    boolean readsTogether(int left, int right) {
        return isUnclear || pairs.stream().anyMatch(pair -> mayMatch(pair.left, left) && mayMatch(pair.right, right));
    }

    /// Whether each `character` is in some match.
    boolean takes(int character) {
        return !isUnclear && taken.stream().anyMatch(atom -> matches(atom, character));
    }

    /// Letters are compared in both cases, because a part of the expression may ignore the case.
    private boolean mayMatch(String atom, int character) {
        return !patterns.containsKey(atom)
                || matches(atom, character)
                || matches(atom, Character.toLowerCase(character))
                || matches(atom, Character.toUpperCase(character));
    }

    private boolean matches(String atom, int character) {
        var pattern = patterns.get(atom);
        return pattern != null && pattern.matcher(Character.toString(character)).matches();
    }

    private Ends ends(List<Node> sequence) {
        var ends = new Ends(true, Set.of(), Set.of());
        for (var node : sequence) {
            ends = join(ends, ends(node));
        }
        return ends;
    }

    private Ends join(Ends left, Ends right) {
        addPairs(left.last, right.first);
        return new Ends(
                left.isEmpty && right.isEmpty,
                left.isEmpty ? union(left.first, right.first) : left.first,
                right.isEmpty ? union(left.last, right.last) : right.last);
    }

    private void addPairs(Set<String> left, Set<String> right) {
        if (left.size() > MAX_ATOMS || right.size() > MAX_ATOMS || pairs.size() > MAX_ATOMS * MAX_ATOMS) {
            isUnclear = true;
            return;
        }
        for (var one : left) {
            right.forEach(other -> pairs.add(new Pair(one, other)));
        }
    }

    private Set<String> union(Set<String> some, Set<String> others) {
        if (some.size() + others.size() > MAX_ATOMS) {
            isUnclear = true;
            return some;
        }
        var union = new HashSet<>(some);
        union.addAll(others);
        return union;
    }

    private Ends ends(Node node) {
        return switch (node) {
            case Atom(var source) -> new Ends(false, Set.of(source), Set.of(source));
            case Anchor(var isEnd) -> {
                isUnclear |= !isEnd;
                yield new Ends(true, Set.of(ANY), Set.of(ANY));
            }
            case Group group -> {
                // A lookaround reads what is read again before or after it.
                var all = new Ends(group.isLook(), Set.of(), Set.of());
                for (var branch : group.branches()) {
                    var one = ends(branch);
                    all = new Ends(all.isEmpty || one.isEmpty, union(all.first, one.first), union(all.last, one.last));
                }
                yield all;
            }
            case Repeat repeat -> {
                var body = ends(repeat.body());
                if (repeat.max() > 1) {
                    addPairs(body.last, body.first);
                }
                yield new Ends(body.isEmpty || repeat.min() == 0, body.first, body.last);
            }
        };
    }

    /// The atom of which a branch certainly matches any character; null if it has none.
    private static @Nullable String taken(List<Node> branch) {
        for (var i = 0; i < branch.size(); i++) {
            if (branch.get(i) instanceof Repeat(Atom _, var min, var max, var isPossessive)
                    && min == 0
                    && max == 1
                    && !isPossessive) {
                continue;
            }
            var rest = branch.subList(i + 1, branch.size());
            if (rest.stream().anyMatch(SplitRegex::mayFail)) {
                return null;
            }
            return switch (branch.get(i)) {
                case Atom(var source) -> source;
                case Repeat repeat when repeat.min() == 1 && repeat.body() instanceof Atom(var source) -> source;
                default -> null;
            };
        }
        return null;
    }
}
