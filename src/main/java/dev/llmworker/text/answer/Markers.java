package dev.llmworker.text.answer;

import dev.llmworker.constraint.Expression;
import dev.llmworker.text.TokenNames;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Pattern;

/// The markers of a format in the tokens of one model. In one model `<tool_call>` is text, in another it is a control
/// token, which has none. Here a control token is one character that no text has, so that nobody can forge it, and a
/// marker of both kinds is one string.
///
/// Threading: any thread.
final class Markers {
    /// Unicode reserves these for use within programs; no text has a reason to contain one.
    private static final char FIRST = '\uFDD0';

    private static final char LAST = '\uFDEF';
    private static final Pattern CONTROL = Pattern.compile("[" + FIRST + "-" + LAST + "]");

    private final TokenNames names;
    private final Map<Integer, Character> byToken = new HashMap<>();
    private final List<Integer> tokens = new ArrayList<>();

    /// @param controls the ids of the model's control tokens, by name
    Markers(Map<String, Integer> controls) {
        names = new TokenNames(controls);
    }

    /// A text of a format with a character for each control token in it.
    synchronized String bind(String text) {
        var bound = new StringBuilder();
        var from = 0;
        for (var match = names.find(text, 0); match != null; match = names.find(text, from)) {
            bound.append(text, from, match.start()).append(character(match.id()));
            from = match.end();
        }
        return bound.append(text, from, text.length()).toString();
    }

    private char character(int token) {
        return byToken.computeIfAbsent(token, _ -> {
            tokens.add(token);
            if (FIRST + tokens.size() - 1 > LAST) {
                throw new IllegalStateException("a format has more control tokens than there are noncharacters");
            }
            return (char) (FIRST + tokens.size() - 1);
        });
    }

    /// A generated control token: its character, or nothing if no format has it.
    synchronized String control(int token) {
        var known = byToken.get(token);
        return known == null ? "" : known.toString();
    }

    /// A generated text, without characters that stand for control tokens.
    static String plain(String text) {
        return CONTROL.matcher(text).replaceAll("\uFFFD");
    }

    /// A text with the names of its control tokens left out.
    static String withoutControls(String bound) {
        return CONTROL.matcher(bound).replaceAll("");
    }

    private static boolean isControl(char c) {
        return c >= FIRST && c <= LAST;
    }

    /// What the constraint of a bound text is.
    synchronized Expression expression(String bound) {
        var parts = new ArrayList<Expression>();
        var from = 0;
        for (var i = 0; i < bound.length(); i++) {
            if (isControl(bound.charAt(i))) {
                if (from < i) {
                    parts.add(Expression.literal(bound.substring(from, i)));
                }
                parts.add(new Expression.ControlToken(tokens.get(bound.charAt(i) - FIRST)));
                from = i + 1;
            }
        }
        if (from < bound.length() || parts.isEmpty()) {
            parts.add(Expression.literal(bound.substring(from)));
        }
        return parts.size() == 1 ? parts.getFirst() : new Expression.Sequence(parts);
    }
}
