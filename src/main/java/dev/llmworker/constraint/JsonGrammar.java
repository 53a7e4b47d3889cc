package dev.llmworker.constraint;

import dev.llmworker.constraint.Expression.Spacing;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/// The parts of JSON that all schemas share, added to a grammar when they are first needed.
final class JsonGrammar {
    private static final CodePoints PLAIN = CodePoints.where(c -> c >= 0x80 || TokenTrie.isPlain(c));
    private static final String SHORT_ESCAPES = "\"\\bfnrt";
    private static final String SHORT_ESCAPED = "\"\\\b\f\n\r\t";

    private record Lengths(int least, int most) {}

    private record Escaped(CodePoints set, int to) {}

    final Grammar.Builder grammar;
    private final int space;
    private final Map<Lengths, Integer> strings = new HashMap<>();
    private final Map<Escaped, Integer> escapes = new HashMap<>();
    private int character = -1;
    private int scalar = -1;
    private int container = -1;

    JsonGrammar(Grammar.Builder grammar, Spacing spacing) {
        this.grammar = grammar;
        space = spacing == Spacing.NONE ? -1 : limitedSpace();
    }

    /// Nothing, a space, or the end of a line and an indent.
    private int limitedSpace() {
        var start = grammar.end();
        var last = grammar.end();
        grammar.bytes(start, ' ', ' ', last);
        var indent = grammar.end();
        grammar.bytes(start, '\n', '\n', indent);
        var afterReturn = grammar.node();
        grammar.bytes(start, '\r', '\r', afterReturn);
        grammar.bytes(afterReturn, '\n', '\n', indent);
        for (var i = 0; i < Limits.INDENT; i++) {
            var next = grammar.end();
            grammar.bytes(indent, ' ', ' ', next);
            grammar.bytes(indent, '\t', '\t', next);
            indent = next;
        }
        return start;
    }

    /// White space, where JSON allows it.
    void space(int from, int to) {
        if (space < 0) {
            grammar.jump(from, to);
        } else {
            grammar.call(from, space, to);
        }
    }

    /// A new node after white space.
    int space(int from) {
        var to = grammar.node();
        space(from, to);
        return to;
    }

    /// A new node after a colon or a comma, with white space around it.
    int mark(int from, char mark) {
        var after = grammar.node();
        grammar.bytes(space(from), mark, mark, after);
        return space(after);
    }

    /// Exactly this string, in quotes and escaped as JSON writers do it.
    void quoted(int from, String text, int to) {
        string(from, Dfa.literals("$", List.of(text)), to);
    }

    /// A string whose text an automaton accepts. Only characters that need it are escaped.
    void string(int from, Dfa texts, int to) {
        var nodes = new int[texts.states()];
        for (var state = 0; state < nodes.length; state++) {
            nodes[state] = grammar.node();
        }
        grammar.bytes(from, '"', '"', nodes[0]);
        for (var state = 0; state < nodes.length; state++) {
            var node = nodes[state];
            texts.targets(state).forEach((target, set) -> {
                grammar.characters(node, set.and(PLAIN), nodes[target]);
                var escaped = set.minus(PLAIN);
                if (!escaped.isEmpty()) {
                    grammar.bytes(node, '\\', '\\', escape(escaped, nodes[target]));
                }
            });
            if (texts.accepts(state)) {
                grammar.bytes(node, '"', '"', to);
            }
        }
    }

    /// The node after a backslash, before what escapes a character of the set.
    private int escape(CodePoints set, int to) {
        return escapes.computeIfAbsent(new Escaped(set, to), _ -> {
            var start = grammar.node();
            var high = new HashMap<Integer, Integer>();
            var unicode = grammar.node();
            for (var i = 0; i < set.bounds().length; i += 2) {
                for (var c = set.bounds()[i]; c <= set.bounds()[i + 1]; c++) {
                    var known = SHORT_ESCAPED.indexOf(c);
                    if (known >= 0) {
                        grammar.bytes(start, SHORT_ESCAPES.charAt(known), SHORT_ESCAPES.charAt(known), to);
                    }
                    if (known < 0 || c < ' ') {
                        var digit = high.computeIfAbsent(c >> 4, _ -> grammar.node());
                        hex(digit, c & 15, c & 15, to);
                    }
                }
            }
            if (!high.isEmpty()) {
                grammar.text(start, "u00", unicode);
                high.forEach((digit, node) -> hex(unicode, digit, digit, node));
            }
            return start;
        });
    }

    private void hex(int from, int low, int high, int to) {
        if (low <= 9) {
            grammar.bytes(from, '0' + low, '0' + Math.min(high, 9), to);
        }
        if (high >= 10) {
            for (var a : new int[] {'a' - 10, 'A' - 10}) {
                grammar.bytes(from, a + Math.max(low, 10), a + high, to);
            }
        }
    }

    /// Any string of a number of characters.
    void string(int from, int least, int most, int to) {
        grammar.call(from, strings.computeIfAbsent(new Lengths(least, most), lengths -> {
            var start = grammar.node();
            var inside = grammar.node();
            grammar.bytes(start, '"', '"', inside);
            var last = grammar.node();
            if (lengths.most == Integer.MAX_VALUE) {
                grammar.repeat(inside, character(), lengths.least, lengths.least, last);
                anyCharacter(last, last);
            } else {
                grammar.repeat(inside, character(), lengths.least, lengths.most, last);
            }
            grammar.bytes(last, '"', '"', grammar.end());
            return start;
        }), to);
    }

    private int character() {
        if (character < 0) {
            character = grammar.node();
            anyCharacter(character, grammar.end());
        }
        return character;
    }

    /// A character as it is or escaped. Surrogates come in pairs, because nothing else is text.
    private void anyCharacter(int from, int to) {
        grammar.characters(from, PLAIN, to);
        var escape = grammar.node();
        grammar.bytes(from, '\\', '\\', escape);
        for (var c : (SHORT_ESCAPES + "/").toCharArray()) {
            grammar.bytes(escape, c, c, to);
        }
        var unicode = grammar.node();
        grammar.bytes(escape, 'u', 'u', unicode);
        var third = grammar.node();
        var fourth = grammar.node();
        hex(third, 0, 15, fourth);
        hex(fourth, 0, 15, to);
        var second = grammar.node();
        hex(second, 0, 15, third);
        hex(unicode, 0, 12, second);
        hex(unicode, 14, 15, second);
        var surrogate = grammar.node();
        hex(unicode, 13, 13, surrogate);
        hex(surrogate, 0, 7, third);
        var high = grammar.node();
        hex(surrogate, 8, 11, high);
        var low = grammar.node();
        var highEnd = grammar.node();
        hex(high, 0, 15, highEnd);
        hex(highEnd, 0, 15, low);
        var lowSecond = grammar.node();
        var lowFirst = grammar.node();
        grammar.text(low, "\\u", lowFirst);
        var lowDigit = grammar.node();
        hex(lowFirst, 13, 13, lowDigit);
        hex(lowDigit, 12, 15, lowSecond);
        hex(lowSecond, 0, 15, fourth);
    }

    /// Any JSON value. Objects and arrays nest to a limited depth, so that a model cannot open them for ever.
    void value(int from, int to) {
        if (scalar < 0) {
            scalar = grammar.node();
            scalars(scalar, grammar.end());
            container = grammar.node();
            var end = grammar.end();
            object(container, end);
            array(container, end);
        }
        grammar.call(from, scalar, to);
        grammar.freeCall(from, container, to);
    }

    private void scalars(int from, int to) {
        string(from, 0, Integer.MAX_VALUE, to);
        grammar.texts(from, Numbers.ALL.texts("$"), to);
        for (var word : new String[] {"true", "false", "null"}) {
            grammar.text(from, word, to);
        }
    }

    private void object(int from, int to) {
        var open = grammar.node();
        grammar.bytes(from, '{', '{', open);
        var pair = space(open);
        grammar.bytes(pair, '}', '}', to);
        // After a comma there is no closing bracket.
        var key = grammar.node();
        grammar.jump(pair, key);
        var colon = grammar.node();
        string(key, 0, Integer.MAX_VALUE, colon);
        list(mark(colon, ':'), key, '}', to);
    }

    private void array(int from, int to) {
        var open = grammar.node();
        grammar.bytes(from, '[', '[', open);
        var first = space(open);
        grammar.bytes(first, ']', ']', to);
        var item = grammar.node();
        grammar.jump(first, item);
        list(item, item, ']', to);
    }

    /// A value, and then a comma and more, or the end.
    private void list(int from, int more, char close, int to) {
        var after = grammar.node();
        value(from, after);
        var next = space(after);
        grammar.bytes(next, close, close, to);
        var comma = grammar.node();
        grammar.bytes(next, ',', ',', comma);
        space(comma, more);
    }
}
