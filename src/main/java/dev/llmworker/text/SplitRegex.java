package dev.llmworker.text;

import java.util.ArrayList;
import java.util.Collections;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.function.Predicate;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/// How much work a tokenizer's regular expression may take.
///
/// The tokenizers library uses Oniguruma. If one match backtracks ten million times, the library ends the process. So a
/// file's expression is read here first. It is refused if its backtracking may grow faster than the text: if it repeats
/// a group that can match a text in several ways, or if one of its branches gives characters back from two repetitions.
/// Anything that is not understood is refused too.
///
/// For the others this says how long a text may be. Where a failed attempt does not move the search forward, it also
/// says of which characters only short runs are allowed.
///
/// Threading: immutable.
final class SplitRegex {
    /// Oniguruma gives up after ten million.
    private static final int MAX_BACKTRACKS = 8_000_000;
    /// Bounds how often each character is looked at if attempts fail.
    private static final int LONGEST_RETRIED_RUN = 8192;
    /// The most ways in which the bounded parts of a branch can match.
    private static final int MAX_WAYS = 256;
    /// A repetition that is bounded by more than this counts as unbounded.
    private static final int FEW = 16;
    private static final int MAX_CHARACTERS = 20_000;
    private static final int MAX_NESTING = 32;
    private static final int MANY = Integer.MAX_VALUE;
    /// The characters of a repeated atom that is not a simple class.
    private static final String ANY = "";

    private static final String ANCHORS = "bBAzZ";
    private static final String CLASSES = "sSdDwWhHrntfvaeRNO";
    /// Means the same to Java, and may be the subject of a limit on runs.
    private static final Predicate<String> IS_SIMPLE = Pattern.compile(
                    "(?:\\[\\^?)?(?:[^\\\\\\[\\]&()|^$.*+?{}-]|\\\\(?:[sSdDwWrnt]|[pP]\\{[A-Z][a-z]?\\}|[^\\p{Alnum}\\s]))++\\]?")
            .asMatchPredicate();

    /// A part of the expression.
    sealed interface Node {}

    record Atom(String source) implements Node {}

    /// @param isEnd whether it only looks at what follows
    record Anchor(boolean isEnd) implements Node {}

    /// @param isAtomic whether nothing in it is given back: a lookaround or `(?>…)`
    record Group(List<List<Node>> branches, boolean isAtomic, boolean isLook) implements Node {}

    record Repeat(Node body, int min, int max, boolean isPossessive) implements Node {}

    /// A repetition of which characters are given back or looked at in vain.
    private record Retried(int branch, String atom) {}

    private final String regex;
    private final List<Retried> retried = new ArrayList<>();
    private final List<Pattern> runs = new ArrayList<>();
    private final RegexNeighbours neighbours;
    private int longestText = MANY;
    private int at;
    private int nesting;
    /// In how many lookarounds and atomic groups the part lies whose work is found out.
    private int looking;

    /// @throws IllegalArgumentException with the reason if the expression may take too much work
    SplitRegex(String regex) {
        this.regex = regex;
        if (regex.length() > MAX_CHARACTERS) {
            throw new IllegalArgumentException(
                    "has " + regex.length() + " characters; supported: up to " + MAX_CHARACTERS);
        }
        if (regex.startsWith("(?i)")) {
            at = 4;
        }
        var branches = branches();
        if (at < regex.length()) {
            throw refused("has a ')' too many");
        }
        var ways = 0L;
        for (var i = 0; i < branches.size(); i++) {
            var work = work(branches.get(i), false, i);
            ways += work.isLinear ? work.ways : 0;
        }
        if (ways > 0) {
            longestText = (int) (MAX_BACKTRACKS / ways);
        }
        neighbours = new RegexNeighbours(branches);
        for (var atom : inVain(branches)) {
            runs.add(Pattern.compile(atom.equals(ANY) ? "(?s).++" : "(?Us)(?:" + atom + ")++"));
        }
    }

    RegexNeighbours neighbours() {
        return neighbours;
    }

    /// @throws IllegalArgumentException with a message for the client if the text is too long, or a run in it of which
    ///     the expression might look at each character again and again
    void check(String text) {
        if (text.length() > longestText) {
            throw new IllegalArgumentException("prompt has " + text.length()
                    + " characters; this model's tokenizer takes at most " + longestText + " at once");
        }
        if (text.length() <= LONGEST_RETRIED_RUN) {
            return;
        }
        for (var run : runs) {
            for (var match = run.matcher(text); match.find(); ) {
                var length = match.end() - match.start();
                if (length > LONGEST_RETRIED_RUN) {
                    throw new IllegalArgumentException("prompt has a run of " + length
                            + " characters of one kind, such as blanks; this model's tokenizer takes at most "
                            + LONGEST_RETRIED_RUN);
                }
            }
        }
    }

    /// What one attempt at a part costs: `ways` times, if it is linear, the length of the text.
    private record Work(boolean isLinear, long ways) {
        Work times(Work other, SplitRegex of) {
            if (isLinear && other.isLinear) {
                throw of.refused("gives characters back from two repetitions");
            }
            if (ways * other.ways > MAX_WAYS) {
                throw of.refused("can match in more than " + MAX_WAYS + " ways");
            }
            return new Work(isLinear || other.isLinear, ways * other.ways);
        }
    }

    private static final Work ONE = new Work(false, 1);

    /// @param mayFailLater whether what follows the sequence may fail, so that the sequence is tried in other ways
    private Work work(List<Node> sequence, boolean mayFailLater, int branch) {
        var work = ONE;
        var later = mayFailLater;
        for (var node : sequence.reversed()) {
            work = work.times(work(node, later, branch), this);
            later |= mayFail(node);
        }
        return work;
    }

    private Work work(Node node, boolean later, int branch) {
        return switch (node) {
            case Atom _, Anchor _ -> ONE;
            case Group group -> {
                var tried = later && !group.isAtomic;
                looking += group.isAtomic ? 1 : 0;
                var isLinear = false;
                var ways = 0L;
                for (var sequence : group.branches) {
                    var work = work(sequence, tried, branch);
                    isLinear |= work.isLinear;
                    ways = tried ? ways + work.ways : Math.max(ways, work.ways);
                }
                looking -= group.isAtomic ? 1 : 0;
                yield new Work(isLinear, Math.max(1, ways));
            }
            case Repeat repeat -> work(repeat, later, branch);
        };
    }

    private Work work(Repeat repeat, boolean later, int branch) {
        var atom = fixed(repeat.body);
        if (repeat.max <= 1 || repeat.min == repeat.max && atom != null) {
            var work = work(repeat.body, later, branch);
            return later && !repeat.isPossessive && repeat.min != repeat.max
                    ? work.times(new Work(false, 2), this)
                    : work;
        }
        if (atom == null) {
            if (later && !repeat.isPossessive || repeat.min > 1) {
                throw refused("repeats a group that can match in several ways");
            }
            // The last round is tried in other ways, the earlier ones are not.
            return work(repeat.body, false, branch);
        }
        var givesBack = later && !repeat.isPossessive;
        if (repeat.max <= FEW) {
            return new Work(false, givesBack ? repeat.max - repeat.min + 1L : 1);
        }
        if (later || looking > 0) {
            retried.add(new Retried(branch, atom));
        }
        return new Work(givesBack, 1);
    }

    /// The atom that a body without choice consists of, or [#ANY] for several atoms; null if it has a choice.
    private static @Nullable String fixed(Node body) {
        return switch (body) {
            case Atom atom -> atom.source;
            case Anchor _ -> null;
            case Repeat repeat -> repeat.min == repeat.max && repeat.max > 0 ? fixed(repeat.body) : null;
            case Group group -> {
                if (group.isLook
                        || group.branches.size() != 1
                        || group.branches.getFirst().isEmpty()) {
                    yield null;
                }
                var atoms = new HashSet<String>();
                for (var node : group.branches.getFirst()) {
                    var single = fixed(node);
                    if (single == null) {
                        yield null;
                    }
                    atoms.add(single);
                }
                yield atoms.size() == 1 ? atoms.iterator().next() : ANY;
            }
        };
    }

    static boolean mayFail(Node node) {
        return switch (node) {
            case Atom _, Anchor _ -> true;
            case Group group ->
                group.isLook
                        || group.branches.stream()
                                .allMatch(sequence -> sequence.stream().anyMatch(SplitRegex::mayFail));
            case Repeat repeat -> repeat.min > 0 && mayFail(repeat.body);
        };
    }

    /// The characters of which a run may be looked at from each of its places. That is not so if the next
    /// branches begin with the same repetition, and one of them then takes the run.
    private Set<String> inVain(List<List<Node>> branches) {
        var inVain = new HashSet<String>();
        for (var retry : retried) {
            var taken = false;
            for (var i = retry.branch + 1;
                    !taken && i < branches.size() && beginsWith(branches.get(i), retry.atom);
                    i++) {
                taken = takes(branches.get(i), retry.atom);
            }
            if (!taken) {
                inVain.add(IS_SIMPLE.test(retry.atom) ? retry.atom : ANY);
            }
        }
        return inVain;
    }

    private static boolean beginsWith(List<Node> sequence, String atom) {
        return position(sequence, atom) >= 0;
    }

    private static boolean takes(List<Node> sequence, String atom) {
        var position = position(sequence, atom);
        return position >= 0
                && sequence.subList(position + 1, sequence.size()).stream().noneMatch(SplitRegex::mayFail);
    }

    /// Where a branch repeats an atom without an end, after optional atoms; -1 if it does not begin so.
    private static int position(List<Node> sequence, String atom) {
        for (var i = 0; i < sequence.size(); i++) {
            if (sequence.get(i) instanceof Repeat repeat && repeat.body instanceof Atom body) {
                if (repeat.max == MANY && repeat.min <= 1 && body.source.equals(atom)) {
                    return i;
                }
                if (repeat.min == 0 && repeat.max == 1) {
                    continue;
                }
            }
            return -1;
        }
        return -1;
    }

    private List<List<Node>> branches() {
        if (++nesting > MAX_NESTING) {
            throw refused("is nested deeper than " + MAX_NESTING + " levels");
        }
        var branches = new ArrayList<List<Node>>();
        var sequence = new ArrayList<Node>();
        while (at < regex.length() && regex.charAt(at) != ')') {
            if (regex.charAt(at) == '|') {
                at++;
                branches.add(sequence);
                sequence = new ArrayList<>();
            } else {
                sequence.add(repeated(node()));
            }
        }
        branches.add(sequence);
        nesting--;
        return branches;
    }

    private Node node() {
        var start = at;
        return switch (regex.charAt(at)) {
            case '(' -> group();
            case '[' -> {
                bracket();
                yield new Atom(regex.substring(start, at));
            }
            case '\\' -> escape(true);
            case '^', '$' -> {
                at++;
                yield new Anchor(regex.charAt(start) == '$');
            }
            case '*', '+', '?' -> throw refused("repeats nothing");
            default -> {
                at = regex.offsetByCodePoints(at, 1);
                yield new Atom(regex.substring(start, at));
            }
        };
    }

    private Node escape(boolean anchors) {
        var start = at;
        if (start + 1 == regex.length()) {
            throw refused("ends with a backslash");
        }
        var letter = regex.charAt(start + 1);
        at = regex.offsetByCodePoints(start + 1, 1);
        if (anchors && ANCHORS.indexOf(letter) >= 0) {
            return new Anchor(letter == 'z' || letter == 'Z');
        }
        if (letter == 'p' || letter == 'P' || letter == 'x' && regex.startsWith("{", at)) {
            var end = regex.indexOf('}', at);
            if (!regex.startsWith("{", at) || end < 0) {
                throw refused("has a \\" + letter + " without braces");
            }
            at = end + 1;
        } else if (letter == 'x' || letter == 'u') {
            at = Math.min(regex.length(), at + (letter == 'x' ? 2 : 4));
        } else if (CLASSES.indexOf(letter) < 0 && letter < 0x80 && Character.isLetterOrDigit(letter)) {
            throw refused("uses \\" + letter);
        }
        return new Atom(regex.substring(start, at));
    }

    private void bracket() {
        if (++nesting > MAX_NESTING) {
            throw refused("is nested deeper than " + MAX_NESTING + " levels");
        }
        at++;
        if (regex.startsWith("^", at)) {
            at++;
        }
        if (regex.startsWith("]", at)) {
            throw refused("has a class that begins with ]");
        }
        while (at < regex.length() && regex.charAt(at) != ']') {
            switch (regex.charAt(at)) {
                case '[' -> bracket();
                case '\\' -> escape(false);
                default -> at++;
            }
        }
        if (at == regex.length()) {
            throw refused("has a class without an end");
        }
        at++;
        nesting--;
    }

    private Node group() {
        at++;
        var isAtomic = false;
        var isLook = false;
        if (regex.startsWith("?", at)) {
            var kind = Stream.of("?:", "?i:", "?-i:", "?>", "?=", "?!", "?<=", "?<!")
                    .filter(prefix -> regex.startsWith(prefix, at))
                    .findFirst()
                    .orElseThrow(() -> refused("has a kind of group that is not supported"));
            at += kind.length();
            isLook = kind.endsWith("=") || kind.endsWith("!");
            isAtomic = isLook || kind.equals("?>");
        }
        var branches = branches();
        if (at == regex.length()) {
            throw refused("has a group without an end");
        }
        at++;
        return new Group(Collections.unmodifiableList(branches), isAtomic, isLook);
    }

    /// Reads the quantifiers after a node. In Oniguruma's syntax a `+` after braces repeats once more.
    private Node repeated(Node node) {
        var repeated = node;
        while (at < regex.length()) {
            var braces = BRACES.matcher(regex).region(at, regex.length());
            var symbol = regex.charAt(at);
            if (braces.lookingAt()) {
                at = braces.end();
                var min = braces.group(1).isEmpty() ? 0 : Integer.parseInt(braces.group(1));
                var max = braces.group(2) == null
                        ? min
                        : braces.group(3).isEmpty() ? MANY : Integer.parseInt(braces.group(3));
                repeated = new Repeat(repeated, Math.min(min, max), Math.max(min, max), false);
                if (regex.startsWith("?", at)) {
                    at++;
                    repeated = new Repeat(repeated, 0, 1, false);
                }
            } else if (symbol == '*' || symbol == '+' || symbol == '?') {
                at++;
                var isPossessive = regex.startsWith("+", at);
                if (isPossessive || regex.startsWith("?", at)) {
                    at++;
                }
                repeated = new Repeat(repeated, symbol == '+' ? 1 : 0, symbol == '?' ? 1 : MANY, isPossessive);
            } else {
                break;
            }
        }
        return repeated;
    }

    private static final Pattern BRACES = Pattern.compile("\\{(?=,?\\d)(\\d{0,6})(,(\\d{0,6}))?\\}");

    private IllegalArgumentException refused(String problem) {
        var shown = regex.length() <= 100 ? regex : regex.substring(0, 100) + "…";
        return new IllegalArgumentException("is " + shown + ", which " + problem);
    }
}
