package dev.llmworker.constraint;

import java.util.List;
import java.util.stream.Collectors;

/// Writes a format as a grammar of llama.cpp, in its own notation GBNF.
public final class Gbnf {
    private static final String ROOT = "root ::= ";
    private static final String EMPTY = "\"\"";
    private static final String REGEX = "regex";

    private Gbnf() {}

    /// One of these texts.
    public static String ofTexts(List<String> texts) {
        return ROOT
                + texts.stream()
                        .map(text ->
                                text.codePoints().mapToObj(Gbnf::escaped).collect(Collectors.joining("", "\"", "\"")))
                        .collect(Collectors.joining(" | "));
    }

    /// A text that a regular expression matches as a whole.
    ///
    /// @throws ConstraintException if the expression is malformed or uses what a grammar does not have
    public static String ofRegex(String regex) {
        var work = new Work(REGEX);
        return ROOT + expression(RegexParser.parse(work, regex), true, true, work);
    }

    /// @param isFirst whether nothing is before it
    /// @param isLast whether nothing is after it
    private static String expression(RegexParser.Node node, boolean isFirst, boolean isLast, Work work) {
        return switch (node) {
            case RegexParser.Characters(var set) -> characters(set, work);
            case RegexParser.Sequence(var parts) -> {
                var written = new StringBuilder("(");
                for (var i = 0; i < parts.size(); i++) {
                    written.append(' ')
                            .append(expression(parts.get(i), isFirst && i == 0, isLast && i == parts.size() - 1, work));
                }
                yield parts.isEmpty() ? EMPTY : written.append(" )").toString();
            }
            case RegexParser.Either(var branches) ->
                branches.stream()
                        .map(branch -> expression(branch, isFirst, isLast, work))
                        .collect(Collectors.joining(" | ", "( ", " )"));
            case RegexParser.Repeat(var body, var least, var most) ->
                "( " + expression(body, false, false, work) + " ){" + least + ","
                        + (most == Integer.MAX_VALUE ? "" : most) + "}";
            case RegexParser.Start() -> anchor("^", isFirst, work);
            case RegexParser.End() -> anchor("$", isLast, work);
        };
    }

    /// An anchor at its own end of the text changes nothing.
    private static String anchor(String name, boolean isAtItsEnd, Work work) {
        if (!isAtItsEnd) {
            throw work.rejected("has a " + name + " within, which grammars of llama.cpp do not have");
        }
        return EMPTY;
    }

    private static String characters(CodePoints set, Work work) {
        var bounds = set.bounds();
        if (bounds.length == 0) {
            throw work.rejected("has a class without characters, which grammars of llama.cpp do not have");
        }
        var written = new StringBuilder("[");
        for (var i = 0; i < bounds.length; i += 2) {
            written.append(escaped(bounds[i])).append('-').append(escaped(bounds[i + 1]));
        }
        return written.append(']').toString();
    }

    private static String escaped(int codePoint) {
        return "\\U%08X".formatted(codePoint);
    }
}
