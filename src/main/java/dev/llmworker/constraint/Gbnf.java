package dev.llmworker.constraint;

import java.util.HexFormat;
import java.util.List;

/// Writes a format as a grammar of llama.cpp, in its own notation GBNF. A class such as `\p{L}` is written out, so a
/// grammar can be thousands of times as long as its expression; its length is bounded.
///
/// Threading: one thread.
public final class Gbnf {
    static final int MAX_CHARACTERS = 1 << 18;

    private static final String ROOT = "root ::= ";
    private static final String EMPTY = "\"\"";
    private static final String REGEX = "regex";
    private static final HexFormat HEX = HexFormat.of().withUpperCase();

    private final Work work;
    private final StringBuilder written = new StringBuilder(ROOT);

    private Gbnf(Work work) {
        this.work = work;
    }

    /// One of these texts.
    ///
    /// @throws ConstraintException if the grammar would be too long
    public static String ofTexts(List<String> texts) {
        var grammar = new Gbnf(new Work("choice"));
        for (var i = 0; i < texts.size(); i++) {
            grammar.write(i == 0 ? "\"" : " | \"");
            texts.get(i).codePoints().forEach(grammar::write);
            grammar.write("\"");
        }
        return grammar.written.toString();
    }

    /// A text that a regular expression matches as a whole.
    ///
    /// @throws ConstraintException if the expression is malformed or uses what a grammar does not have, or if the
    ///     grammar would be too long
    public static String ofRegex(String regex) {
        var grammar = new Gbnf(new Work(REGEX));
        grammar.expression(RegexParser.parse(grammar.work, regex), true, true);
        return grammar.written.toString();
    }

    /// @param isFirst whether nothing is before it
    /// @param isLast whether nothing is after it
    private void expression(RegexParser.Node node, boolean isFirst, boolean isLast) {
        switch (node) {
            case RegexParser.Characters(var set) -> characters(set);
            case RegexParser.Sequence(var parts) -> {
                if (parts.isEmpty()) {
                    write(EMPTY);
                    return;
                }
                write("(");
                for (var i = 0; i < parts.size(); i++) {
                    write(" ");
                    expression(parts.get(i), isFirst && i == 0, isLast && i == parts.size() - 1);
                }
                write(" )");
            }
            case RegexParser.Either(var branches) -> {
                for (var i = 0; i < branches.size(); i++) {
                    write(i == 0 ? "( " : " | ");
                    expression(branches.get(i), isFirst, isLast);
                }
                write(" )");
            }
            case RegexParser.Repeat(var body, var least, var most) -> {
                write("( ");
                expression(body, false, false);
                write(" ){" + least + "," + (most == Integer.MAX_VALUE ? "" : most) + "}");
            }
            case RegexParser.Start() -> anchor("^", isFirst);
            case RegexParser.End() -> anchor("$", isLast);
        }
    }

    /// An anchor at its own end of the text changes nothing.
    private void anchor(String name, boolean isAtItsEnd) {
        if (!isAtItsEnd) {
            throw work.rejected("has a " + name + " within, which grammars of llama.cpp do not have");
        }
        write(EMPTY);
    }

    private void characters(CodePoints set) {
        var bounds = set.bounds();
        if (bounds.length == 0) {
            throw work.rejected("has a class without characters, which grammars of llama.cpp do not have");
        }
        write("[");
        for (var i = 0; i < bounds.length; i += 2) {
            write(bounds[i]);
            write("-");
            write(bounds[i + 1]);
        }
        write("]");
    }

    private void write(int codePoint) {
        write("\\U");
        write(HEX.toHexDigits(codePoint));
    }

    private void write(String more) {
        written.append(more);
        if (written.length() > MAX_CHARACTERS) {
            throw work.rejected("becomes a grammar of llama.cpp of more than " + MAX_CHARACTERS
                    + " characters, which is the limit; simplify it");
        }
    }
}
