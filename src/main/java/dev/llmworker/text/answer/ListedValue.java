package dev.llmworker.text.answer;

import com.fasterxml.jackson.databind.JsonNode;
import dev.llmworker.text.answer.CallForm.Listed;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.Map;

/// A value of a [Listed] argument, which comes in pieces and becomes JSON.
///
/// With a quote, names of members have no quotes, and strings have this one and no escapes:
/// `{at:[1,<|"|>a<|"|>]}`. Without a quote, it is written as in Python, though the words of JSON count too:
/// `{'at': [1, "a", None]}`.
final class ListedValue {
    private static final Map<String, String> PYTHON_WORDS = Map.of("None", "null", "True", "true", "False", "false");
    private static final String ESCAPES = "\"\\bfnrtu";

    private enum State {
        /// Before a value, a name, or a mark.
        BETWEEN,
        STRING,
        /// In the name of a member, or in a number, `true`, `false` or `null`.
        WORD,
        /// Before what follows the value.
        END
    }

    private final String quote;
    /// The brackets that are open.
    private final Deque<Character> open = new ArrayDeque<>();
    private final StringBuilder word = new StringBuilder();
    private State state = State.BETWEEN;
    private boolean isName;
    private char pythonQuote;

    ListedValue(Listed form) {
        quote = form.quote();
    }

    /// Whether the value is complete.
    boolean isComplete() {
        return state == State.END;
    }

    /// Takes as much of a text as is certain to belong to the value.
    ///
    /// @param json gets it
    /// @return how much
    int add(CharSequence buffer, StringBuilder json) {
        var text = buffer.toString();
        var at = 0;
        for (var taken = 1; taken > 0 && at < text.length() && state != State.END; at += taken) {
            taken = switch (state) {
                case BETWEEN -> between(text, at, json);
                case STRING -> quote.isEmpty() ? python(text, at, json) : bare(text, at, json);
                case WORD -> word(text.charAt(at), json);
                case END -> 0;
            };
        }
        return at;
    }

    /// Each of these returns how many characters it has taken; 0 if more must come, or the value is
    /// complete.
    private int between(String text, int at, StringBuilder json) {
        var c = text.charAt(at);
        var mark = quote.isEmpty() ? c == '"' || c == '\'' ? String.valueOf(c) : "" : quote;
        if (!mark.isEmpty() && text.startsWith(mark, at)) {
            pythonQuote = c;
            json.append('"');
            state = State.STRING;
            return mark.length();
        }
        if (text.length() - at < mark.length() && mark.startsWith(text.substring(at))) {
            return 0;
        }
        if (isName && c != '}' && !Character.isWhitespace(c)) {
            // A name may begin with any other bracket.
            state = State.WORD;
            return word(c, json);
        }
        switch (c) {
            case '{', '[' -> {
                open.push(c);
                isName = c == '{' && !quote.isEmpty();
                json.append(c);
            }
            case '}', ']', ')', ',' -> {
                if (open.isEmpty()) {
                    state = State.END;
                    return 0;
                }
                json.append(c);
                if (c == ',') {
                    isName = open.peek() == '{' && !quote.isEmpty();
                } else {
                    open.pop();
                    isName = false;
                }
            }
            case ':', ' ', '\n', '\r', '\t' -> json.append(c);
            default -> {
                state = State.WORD;
                return word(c, json);
            }
        }
        return 1;
    }

    private int word(char c, StringBuilder json) {
        var isMore = isName ? c != ':' : Character.isLetterOrDigit(c) || c == '-' || c == '+' || c == '.' || c == '_';
        if (isMore) {
            word.append(c);
            return 1;
        }
        if (word.isEmpty()) {
            // Nothing that a value begins with.
            state = State.END;
            return 0;
        }
        var all = word.toString();
        json.append(
                isName
                        ? "\"" + ToolSchema.escaped(all) + "\""
                        : quote.isEmpty() ? PYTHON_WORDS.getOrDefault(all, all) : all);
        word.setLength(0);
        isName = false;
        state = State.BETWEEN;
        // The mark is taken next.
        return between(String.valueOf(c), 0, json);
    }

    private int bare(String text, int at, StringBuilder json) {
        var end = text.indexOf(quote, at);
        if (end >= 0) {
            json.append(ToolSchema.escaped(text.substring(at, end))).append('"');
            state = State.BETWEEN;
            return end + quote.length() - at;
        }
        var certain = text.length();
        for (var i = Math.max(at, text.length() - quote.length() + 1); i < certain; i++) {
            certain = quote.startsWith(text.substring(i)) ? i : certain;
        }
        json.append(ToolSchema.escaped(text.substring(at, certain)));
        return certain - at;
    }

    private int python(String text, int at, StringBuilder json) {
        var c = text.charAt(at);
        if (c == pythonQuote) {
            json.append('"');
            state = State.BETWEEN;
            return 1;
        }
        if (c != '\\') {
            var end = at + 1;
            while (end < text.length() && text.charAt(end) != pythonQuote && text.charAt(end) != '\\') {
                end++;
            }
            json.append(ToolSchema.escaped(text.substring(at, end)));
            return end - at;
        }
        if (at + 1 == text.length()) {
            return 0;
        }
        var escaped = text.charAt(at + 1);
        // Another backslash stands for itself.
        json.append(
                ESCAPES.indexOf(escaped) >= 0
                        ? "\\" + escaped
                        : (escaped == '\'' ? "" : "\\\\") + ToolSchema.escaped(String.valueOf(escaped)));
        return 2;
    }

    /// A value in the notation of a form.
    static String written(Listed form, JsonNode value) {
        if (form.quote().isEmpty()) {
            return switch (value.getNodeType()) {
                case NULL -> "None";
                case BOOLEAN -> value.asBoolean() ? "True" : "False";
                default -> value.toString();
            };
        }
        var parts = new ArrayList<String>();
        return switch (value.getNodeType()) {
            case STRING -> form.quote() + value.asText() + form.quote();
            case ARRAY -> {
                value.forEach(item -> parts.add(written(form, item)));
                yield "[" + String.join(",", parts) + "]";
            }
            case OBJECT -> {
                for (var member : List.copyOf(value.properties())) {
                    parts.add(member.getKey() + ":" + written(form, member.getValue()));
                }
                yield "{" + String.join(",", parts) + "}";
            }
            default -> value.toString();
        };
    }
}
