package dev.llmworker.constraint;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import org.jspecify.annotations.Nullable;

/// Reads a regular expression as ECMA-262 has it with the flag `u`, which is what JSON schemas mean by
/// `pattern`. Look-around, back-references and word boundaries are no regular language or cost too much, so
/// they are rejected by name.
final class RegexParser {
    sealed interface Node {}

    record Characters(CodePoints set) implements Node {}

    record Sequence(List<Node> parts) implements Node {}

    record Either(List<Node> branches) implements Node {}

    /// @param most [Integer#MAX_VALUE] for no limit
    record Repeat(Node body, int least, int most) implements Node {}

    record Start() implements Node {}

    record End() implements Node {}

    private static final CodePoints DIGIT = CodePoints.of('0', '9');
    private static final CodePoints WORD = CodePoints.of('0', '9', 'A', 'Z', '_', '_', 'a', 'z');
    /// Dialects disagree about white space beyond ASCII, so it is neither what all call white space nor what
    /// all do not.
    private static final CodePoints SPACE = CodePoints.anyOf("\t\n\u000B\f\r ");
    private static final CodePoints ANY_SPACE = CodePoints.anyOf(
                    "\t\n\u000B\f\r\u001C\u001D\u001E\u001F \u0085\u00A0\u1680\u2028\u2029\u202F\u205F\u3000\uFEFF")
            .or(CodePoints.of(0x2000, 0x200A));
    private static final CodePoints DOT = CodePoints.ALL.minus(CodePoints.anyOf("\n\r\u2028\u2029"));
    private static final String LOOKAROUND = "look-around";
    /// By script, or by the bits of general categories: not by their names, of which there are many spellings.
    private static final Map<Object, CodePoints> PROPERTIES = new ConcurrentHashMap<>();

    private final Work work;
    private final int[] text;
    private int at;
    private int depth;

    private RegexParser(Work work, String pattern) {
        this.work = work;
        text = pattern.codePoints().toArray();
    }

    static Node parse(Work work, String pattern) {
        if (pattern.length() > Limits.REGEX_CHARACTERS) {
            throw work.rejected("is a regular expression of " + pattern.length() + " characters; the limit is "
                    + Limits.REGEX_CHARACTERS);
        }
        var parser = new RegexParser(work, pattern);
        var node = parser.either();
        if (parser.at < parser.text.length) {
            throw parser.malformed("has a ')' too many");
        }
        return node;
    }

    private ConstraintException malformed(String problem) {
        return work.rejected(problem + " (at character " + (at + 1) + " of the regular expression)");
    }

    private ConstraintException unsupported(String what) {
        return malformed("uses " + what + ", which is not supported");
    }

    private boolean sees(int c) {
        return at < text.length && text[at] == c;
    }

    private boolean takes(int c) {
        if (!sees(c)) {
            return false;
        }
        at++;
        return true;
    }

    private boolean takes(String word) {
        var characters = word.codePoints().toArray();
        var end = Math.min(at + characters.length, text.length);
        if (!Arrays.equals(text, at, end, characters, 0, characters.length)) {
            return false;
        }
        at = end;
        return true;
    }

    private int take() {
        if (at == text.length) {
            throw malformed("ends within an expression");
        }
        return text[at++];
    }

    private Node either() {
        if (++depth > Limits.REGEX_DEPTH) {
            throw malformed("nests deeper than " + Limits.REGEX_DEPTH);
        }
        var branches = new ArrayList<Node>();
        do {
            branches.add(sequence());
        } while (takes('|'));
        depth--;
        return branches.size() == 1 ? branches.getFirst() : new Either(branches);
    }

    private Node sequence() {
        var parts = new ArrayList<Node>();
        while (at < text.length && !sees('|') && !sees(')')) {
            parts.add(quantified(atom()));
        }
        return parts.size() == 1 ? parts.getFirst() : new Sequence(parts);
    }

    private Node quantified(Node atom) {
        var least = 0;
        var most = Integer.MAX_VALUE;
        var begin = at;
        if (takes('+')) {
            least = 1;
        } else if (takes('?')) {
            most = 1;
        } else if (takes('{')) {
            var bounds = braces();
            if (bounds == null) {
                at = begin;
                return atom;
            }
            least = bounds[0];
            most = bounds[1];
        } else if (!takes('*')) {
            return atom;
        }
        // A lazy quantifier has the same texts.
        takes('?');
        if (sees('+') || sees('*') || sees('?')) {
            throw unsupported("a quantifier of a quantifier");
        }
        return new Repeat(atom, least, most);
    }

    /// The numbers of `{2}`, `{2,}` and `{2,3}` after the brace; null if the brace is a character.
    private int @Nullable [] braces() {
        var least = number();
        if (least < 0) {
            return null;
        }
        var most = least;
        if (takes(',')) {
            most = number();
            most = most < 0 ? Integer.MAX_VALUE : most;
        }
        if (!takes('}')) {
            return null;
        }
        if (most < least) {
            throw malformed("has the numbers of a quantifier in the wrong order");
        }
        if (least > Limits.REGEX_NODES || most > Limits.REGEX_NODES && most != Integer.MAX_VALUE) {
            throw malformed("repeats more than " + Limits.REGEX_NODES + " times");
        }
        return new int[] {least, most};
    }

    private int number() {
        var value = -1;
        while (at < text.length && DIGIT.contains(text[at])) {
            value = Math.min(Math.max(value, 0) * 10 + text[at++] - '0', Limits.REGEX_NODES + 1);
        }
        return value;
    }

    private Node atom() {
        var c = take();
        return switch (c) {
            case '^' -> new Start();
            case '$' -> new End();
            case '.' -> new Characters(DOT);
            case '(' -> group();
            case '[' -> new Characters(characterClass());
            case '\\' -> new Characters(escape(false));
            case '*', '+', '?' -> throw malformed("has nothing to repeat");
            default -> new Characters(CodePoints.of(c, c));
        };
    }

    private Node group() {
        if (takes("?:")) {
            return closed();
        }
        if (takes("?=") || takes("?!") || takes("?<=") || takes("?<!")) {
            throw unsupported(LOOKAROUND);
        }
        if (takes("?<") || takes("?P<")) {
            while (take() != '>') {
                // The name of a group changes nothing.
            }
            return closed();
        }
        if (sees('?')) {
            throw unsupported("flags or another group that begins with (?");
        }
        return closed();
    }

    private Node closed() {
        var node = either();
        if (!takes(')')) {
            throw malformed("lacks a ')'");
        }
        return node;
    }

    private CodePoints characterClass() {
        var negative = takes('^');
        var members = new ArrayList<CodePoints>();
        while (!takes(']')) {
            var first = classMember();
            if (sees('-') && at + 1 < text.length && text[at + 1] != ']' && isOne(first)) {
                at++;
                var last = classMember();
                if (isOne(last)) {
                    if (last.bounds()[0] < first.bounds()[0]) {
                        throw malformed("has the ends of a range in the wrong order");
                    }
                    first = CodePoints.of(first.bounds()[0], last.bounds()[0]).and(CodePoints.ALL);
                } else {
                    first = first.or(last).or(CodePoints.of('-', '-'));
                }
            }
            members.add(first);
        }
        work.spend(members.stream().mapToInt(member -> member.bounds().length).sum());
        var set = CodePoints.union(members);
        return negative ? set.not() : set;
    }

    private static boolean isOne(CodePoints set) {
        return set.bounds().length == 2 && set.bounds()[0] == set.bounds()[1];
    }

    private CodePoints classMember() {
        var c = take();
        return c == '\\' ? escape(true) : CodePoints.of(c, c);
    }

    private CodePoints escape(boolean inClass) {
        var c = take();
        return switch (c) {
            case 'd' -> DIGIT;
            case 'D' -> DIGIT.not();
            case 'w' -> WORD;
            case 'W' -> WORD.not();
            case 's' -> SPACE;
            case 'S' -> ANY_SPACE.not();
            case 'p' -> property();
            case 'P' -> property().not();
            case 't' -> CodePoints.of('\t', '\t');
            case 'n' -> CodePoints.of('\n', '\n');
            case 'v' -> CodePoints.of(0x0B, 0x0B);
            case 'f' -> CodePoints.of('\f', '\f');
            case 'r' -> CodePoints.of('\r', '\r');
            case 'c' -> control();
            case 'x' -> one(hex(2));
            case 'u' -> one(unicode());
            case 'b' -> {
                if (!inClass) {
                    throw unsupported("the word boundary \\b");
                }
                yield CodePoints.of('\b', '\b');
            }
            case 'B' -> throw unsupported("the word boundary \\B");
            case 'k', '1', '2', '3', '4', '5', '6', '7', '8', '9' -> throw unsupported("a back-reference");
            case '0' -> {
                if (at < text.length && DIGIT.contains(text[at])) {
                    throw unsupported("an octal escape");
                }
                yield CodePoints.of(0, 0);
            }
            default -> {
                if (WORD.contains(c) && c != '_') {
                    throw unsupported("the escape \\" + Character.toString(c));
                }
                yield CodePoints.of(c, c);
            }
        };
    }

    private CodePoints control() {
        var letter = take();
        if (!CodePoints.of('A', 'Z', 'a', 'z').contains(letter)) {
            throw malformed("has \\c without a letter");
        }
        return CodePoints.of(letter % 32, letter % 32);
    }

    private CodePoints one(int c) {
        if (!CodePoints.ALL.contains(c)) {
            throw malformed("names a code point that no text has");
        }
        return CodePoints.of(c, c);
    }

    private int hex(int digits) {
        var value = 0;
        for (var i = 0; i < digits; i++) {
            value = value * 16 + digit(take());
        }
        return value;
    }

    private int digit(int c) {
        var value = c < 128 ? Character.digit(c, 16) : -1;
        if (value < 0) {
            throw malformed("has an escape without its hexadecimal digits");
        }
        return value;
    }

    private int unicode() {
        if (takes('{')) {
            var value = 0;
            while (!takes('}')) {
                value = Math.min(value * 16 + digit(take()), CodePoints.LAST + 1);
            }
            return value;
        }
        var first = hex(4);
        if (first < Character.MIN_HIGH_SURROGATE || first > Character.MAX_HIGH_SURROGATE || !takes("\\u")) {
            return first;
        }
        var second = hex(4);
        if (second < Character.MIN_LOW_SURROGATE || second > Character.MAX_LOW_SURROGATE) {
            throw malformed("has a high surrogate without a low one");
        }
        return Character.toCodePoint((char) first, (char) second);
    }

    private CodePoints property() {
        if (!takes('{')) {
            throw malformed("has \\p without a name in braces");
        }
        var name = new StringBuilder();
        for (var c = take(); c != '}'; c = take()) {
            name.appendCodePoint(c);
        }
        try {
            var set = named(name.toString());
            work.spend(set.bounds().length);
            return set;
        } catch (IllegalArgumentException _) {
            throw unsupported("the property \\p{" + name + '}');
        }
    }

    /// General categories by their short names, and scripts, by `Script=`.
    private static CodePoints named(String name) {
        var script = name.replaceFirst("^(Script|sc)=", "");
        if (!script.equals(name)) {
            var wanted = Character.UnicodeScript.forName(script);
            return PROPERTIES.computeIfAbsent(
                    wanted, _ -> CodePoints.where(c -> Character.UnicodeScript.of(c) == wanted));
        }
        var category = name.replaceFirst("^(General_Category|gc)=", "");
        var mask = category.equals("Any") ? -1 : categories(category);
        return PROPERTIES.computeIfAbsent(mask, _ -> CodePoints.where(c -> (mask >>> Character.getType(c) & 1) == 1));
    }

    private static int categories(String name) {
        // In the order of Character.getType.
        var all = "Cn Lu Ll Lt Lm Lo Mn Me Mc Nd Nl No -- Zs Zl Zp Cc Cf -- Co Cs Pd Ps Pe Pc Po Sm Sc Sk So Pi Pf"
                .split(" ");
        var wanted = LONG_NAMES.getOrDefault(name, name);
        var mask = 0;
        for (var type = 0; type < all.length; type++) {
            if (wanted.length() <= 2 && !wanted.isEmpty() && all[type].startsWith(wanted) && !wanted.startsWith("-")) {
                mask |= 1 << type;
            }
        }
        if (mask == 0) {
            throw new IllegalArgumentException(name);
        }
        return mask;
    }

    private static final Map<String, String> LONG_NAMES = Map.ofEntries(
            Map.entry("Letter", "L"),
            Map.entry("Uppercase_Letter", "Lu"),
            Map.entry("Lowercase_Letter", "Ll"),
            Map.entry("Mark", "M"),
            Map.entry("Number", "N"),
            Map.entry("Decimal_Number", "Nd"),
            Map.entry("Punctuation", "P"),
            Map.entry("Symbol", "S"),
            Map.entry("Separator", "Z"),
            Map.entry("Space_Separator", "Zs"),
            Map.entry("Other", "C"),
            Map.entry("Control", "Cc"));
}
