package dev.llmworker.constraint;

import dev.llmworker.constraint.Expression.Notation;
import dev.llmworker.constraint.Expression.Spacing;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// The parts of JSON that all schemas share, added to a grammar when they are first needed.
final class JsonGrammar {
    /// Characters that no string has to escape, but for the quotes of the other kind.
    static final CodePoints PLAIN = CodePoints.where(c -> c >= 0x80 || TokenTrie.isPlain(c));
    private static final Dfa BARE_NAMES = Regex.whole(new Work("$"), Expression.BARE_NAME);

    /// How strings are written.
    ///
    /// @param mark before and after them: a text or a control token
    /// @param plain characters that stand for themselves
    /// @param escapes after a backslash, for the characters in `escaped`; empty if there are no escapes at
    ///     all
    /// @param texts those that it can hold; null for all
    private record Quote(
            Expression mark,
            CodePoints plain,
            String escapes,
            String escaped,
            @Nullable Dfa texts) {
        static final Quote JSON = of('"', "/", "/");
        static final List<Quote> PYTHON = List.of(of('"', "", ""), of('\'', "", ""));

        private static Quote of(char quote, String escapes, String escaped) {
            return new Quote(
                    Expression.literal(String.valueOf(quote)),
                    PLAIN.or(CodePoints.anyOf("\"")).minus(CodePoints.anyOf(String.valueOf(quote))),
                    quote + "\\bfnrt" + escapes,
                    quote + "\\\b\f\n\r\t" + escaped,
                    null);
        }

        /// Without escapes.
        static Quote of(Expression mark) {
            return new Quote(
                    mark,
                    CodePoints.ALL,
                    "",
                    "",
                    mark instanceof Expression.Literal(var text) ? Dfa.without(text) : null);
        }

        byte[] bytes() {
            return Constraint.bytes(mark);
        }
    }

    private record Lengths(int least, int most) {}

    private record Escaped(Quote quote, CodePoints set, boolean general, int to) {}

    private record Digits(int low, int high, int bits, int index, int to) {}

    /// How a number is written in hexadecimal digits.
    ///
    /// @param bits below each digit
    /// @param base is added to each digit
    /// @param before the text before each digit
    private record Shifts(int[] bits, int[] base, String[] before) {}

    private static final Shifts BASIC = new Shifts(new int[] {12, 8, 4, 0}, new int[4], new String[] {"", "", "", ""});
    /// The ten bits of a high surrogate after D8, and those of a low one after DC.
    private static final Shifts SURROGATES =
            new Shifts(new int[] {20, 18, 14, 10, 10, 8, 4, 0}, new int[] {0xD, 8, 0, 0, 0xD, 0xC, 0, 0}, new String[] {
                "", "", "", "", "\\u", "", "", ""
            });

    final Grammar.Builder grammar;
    private final Work work;
    private final int space;
    private final Map<Lengths, Integer> strings = new HashMap<>();
    private final Map<Escaped, Integer> escapes = new HashMap<>();
    private final Map<Digits, Integer> digits = new HashMap<>();
    private final Map<Quote, Integer> characters = new HashMap<>();
    private final List<Quote> quotes;
    private final boolean hasBareNames;
    private final boolean hasPythonWords;
    private int scalar = -1;
    private int container = -1;
    private int bareName = -1;

    /// @param work what all of its constraint spends from
    JsonGrammar(Grammar.Builder grammar, Notation notation, Work work) {
        this.grammar = grammar;
        this.work = work;
        space = switch (notation) {
            case Notation.Plain(var spacing) when spacing == Spacing.LIMITED -> limitedSpace();
            case Notation.Python() -> limitedSpace();
            case Notation.Plain _, Notation.Bare _ -> -1;
        };
        quotes = switch (notation) {
            case Notation.Plain _ -> List.of(Quote.JSON);
            case Notation.Python() -> Quote.PYTHON;
            case Notation.Bare(var quote) -> List.of(Quote.of(quote));
        };
        hasBareNames = notation instanceof Notation.Bare;
        hasPythonWords = notation instanceof Notation.Python;
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

    /// A new node after a character and white space.
    int after(int from, char mark) {
        var after = grammar.node();
        grammar.bytes(from, mark, mark, after);
        return space(after);
    }

    /// A new node after a colon or a comma, with white space around it.
    int mark(int from, char mark) {
        return after(space(from), mark);
    }

    /// Exactly this string, in quotes and escaped as JSON writers do it.
    void quoted(int from, String text, int to) {
        string(from, Dfa.literals(work, List.of(text)), to);
    }

    /// Whether a member can have this name.
    boolean canWrite(String name) {
        return !hasBareNames || BARE_NAMES.matches(name);
    }

    /// Exactly this name of a member.
    ///
    /// @throws ConstraintException if the notation cannot write it
    void name(int from, String text, int to) {
        if (!hasBareNames) {
            quoted(from, text, to);
        } else if (canWrite(text)) {
            grammar.text(from, text, to);
        } else {
            throw new ConstraintException("the name \"" + text + "\"", "cannot be written in this model's format");
        }
    }

    /// A name that an automaton accepts.
    ///
    /// @param texts null for any name
    /// @param general as for [#string(int, Dfa, boolean, int)]
    void name(int from, @Nullable Dfa texts, boolean general, int to) {
        if (texts == null) {
            anyName(from, to);
        } else if (hasBareNames) {
            grammar.texts(from, texts.combine(work, Dfa.Operation.AND, BARE_NAMES), to);
        } else {
            string(from, texts, general, to);
        }
    }

    private void anyName(int from, int to) {
        if (!hasBareNames) {
            string(from, 0, Integer.MAX_VALUE, to);
            return;
        }
        if (bareName < 0) {
            bareName = grammar.node();
            grammar.texts(bareName, BARE_NAMES, grammar.end());
        }
        grammar.call(from, bareName, to);
    }

    /// One of `null`, `true` and `false`.
    void word(int from, String word, int to) {
        grammar.text(from, word, to);
        if (hasPythonWords) {
            grammar.text(
                    from,
                    switch (word) {
                        case "null" -> "None";
                        case "true" -> "True";
                        default -> "False";
                    },
                    to);
        }
    }

    /// A string whose text an automaton accepts. Only characters that need it are escaped.
    void string(int from, Dfa texts, int to) {
        string(from, texts, false, to);
    }

    /// @param general whether characters that need no escape may have one too, as `\\u` and digits
    void string(int from, Dfa texts, boolean general, int to) {
        for (var quote : quotes) {
            var own = quote.texts == null ? texts : texts.combine(work, Dfa.Operation.AND, quote.texts);
            string(quote, from, own, general, to);
        }
    }

    private void string(Quote quote, int from, Dfa texts, boolean general, int to) {
        var nodes = new int[texts.states()];
        Arrays.setAll(nodes, _ -> grammar.node());
        grammar.bytes(from, quote.bytes(), nodes[0]);
        for (var state = 0; state < nodes.length; state++) {
            var node = nodes[state];
            texts.targets(state).forEach((target, set) -> {
                grammar.characters(node, set.and(quote.plain), nodes[target]);
                var escaped = quote.escapes.isEmpty() ? CodePoints.NONE : general ? set : set.minus(quote.plain);
                if (!escaped.isEmpty()) {
                    grammar.bytes(node, '\\', '\\', escape(quote, escaped, general, nodes[target]));
                }
            });
            if (texts.accepts(state)) {
                grammar.bytes(node, quote.bytes(), to);
            }
        }
    }

    /// The node after a backslash, before what escapes a character of the set.
    private int escape(Quote quote, CodePoints set, boolean general, int to) {
        return escapes.computeIfAbsent(new Escaped(quote, set, general, to), _ -> {
            var start = grammar.node();
            for (var i = 0; i < quote.escaped.length(); i++) {
                if (set.contains(quote.escaped.charAt(i))) {
                    grammar.bytes(start, quote.escapes.charAt(i), quote.escapes.charAt(i), to);
                }
            }
            var long_ = general ? set : set.minus(CodePoints.anyOf(quote.escaped));
            if (!long_.isEmpty()) {
                var unicode = grammar.node();
                grammar.bytes(start, 'u', 'u', unicode);
                unicode(unicode, long_, to);
            }
            return start;
        });
    }

    /// The digits of a character of the set after `\\u`, or those of its two surrogates.
    private void unicode(int from, CodePoints set, int to) {
        var basic = set.and(CodePoints.of(0, 0xFFFF));
        for (var i = 0; i < basic.bounds().length; i += 2) {
            digits(from, basic.bounds()[i], basic.bounds()[i + 1], BASIC, 0, to);
        }
        var rest = set.and(CodePoints.of(0x10000, CodePoints.LAST));
        for (var i = 0; i < rest.bounds().length; i += 2) {
            digits(from, rest.bounds()[i] - 0x10000, rest.bounds()[i + 1] - 0x10000, SURROGATES, 0, to);
        }
    }

    /// The numbers from `low` to `high` as hexadecimal digits, from the digit at an index on.
    private void digits(int from, int low, int high, Shifts shifts, int index, int to) {
        if (index == shifts.bits.length) {
            grammar.jump(from, to);
            return;
        }
        var bits = shifts.bits[index];
        var mask = (1 << bits) - 1;
        var first = low >> bits;
        var last = high >> bits;
        if (first < last && (low & mask) != 0) {
            digits(from, low, low | mask, shifts, index, to);
            digits(from, (low | mask) + 1, high, shifts, index, to);
        } else if (first < last && (high & mask) != mask) {
            digits(from, low, (high & ~mask) - 1, shifts, index, to);
            digits(from, high & ~mask, high, shifts, index, to);
        } else {
            var marked = grammar.node();
            grammar.text(from, shifts.before[index], marked);
            var next = index + 1 == shifts.bits.length ? to : rest(low & mask, high & mask, shifts, index + 1, to);
            hex(marked, shifts.base[index] + first, shifts.base[index] + last, next);
        }
    }

    /// A node before the digits from an index on; the same one for the same digits.
    private int rest(int low, int high, Shifts shifts, int index, int to) {
        var key = new Digits(low, high, shifts.bits[index], index, to);
        var known = digits.get(key);
        if (known != null) {
            return known;
        }
        var node = grammar.node();
        digits(node, low, high, shifts, index, to);
        digits.put(key, node);
        return node;
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
        grammar.call(
                from,
                strings.computeIfAbsent(new Lengths(least, most), lengths -> {
                    var start = grammar.node();
                    var end = grammar.end();
                    for (var quote : quotes) {
                        if (quote.texts == null) {
                            string(quote, start, lengths, end);
                        } else {
                            var texts = Dfa.length(work, lengths.least, lengths.most);
                            string(quote, start, texts.combine(work, Dfa.Operation.AND, quote.texts), false, end);
                        }
                    }
                    return start;
                }),
                to);
    }

    private void string(Quote quote, int from, Lengths lengths, int to) {
        var inside = grammar.node();
        grammar.bytes(from, quote.bytes(), inside);
        var last = grammar.node();
        if (lengths.most == Integer.MAX_VALUE) {
            grammar.repeat(inside, character(quote), lengths.least, lengths.least, last);
            anyCharacter(quote, last, last);
        } else {
            grammar.repeat(inside, character(quote), lengths.least, lengths.most, last);
        }
        grammar.bytes(last, quote.bytes(), to);
    }

    private int character(Quote quote) {
        return characters.computeIfAbsent(quote, _ -> {
            var start = grammar.node();
            anyCharacter(quote, start, grammar.end());
            return start;
        });
    }

    /// A character as it is or escaped. Surrogates come in pairs, because nothing else is text.
    private void anyCharacter(Quote quote, int from, int to) {
        grammar.characters(from, quote.plain, to);
        if (!quote.escapes.isEmpty()) {
            grammar.bytes(from, '\\', '\\', escape(quote, CodePoints.ALL, true, to));
        }
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
        grammar.texts(from, Numbers.ALL.texts(work), to);
        for (var word : new String[] {"true", "false", "null"}) {
            word(from, word, to);
        }
    }

    private void object(int from, int to) {
        var pair = after(from, '{');
        grammar.bytes(pair, '}', '}', to);
        // After a comma there is no closing bracket.
        var key = grammar.node();
        grammar.jump(pair, key);
        var colon = grammar.node();
        name(key, null, false, colon);
        list(mark(colon, ':'), key, '}', to);
    }

    private void array(int from, int to) {
        var first = after(from, '[');
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
