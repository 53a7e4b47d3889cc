package dev.llmworker.text.jinja;

import dev.llmworker.text.jinja.Token.Kind;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/// Scans one token within a tag.
final class TokenScanner {
    private static final Pattern FLOAT = Pattern.compile(
            "(?<!\\.)(?:\\d+_)*\\d+(?:(?:\\.(?:\\d+_)*\\d+)?[eE][-+]?(?:\\d+_)*\\d+|\\.(?:\\d+_)*\\d+)");
    private static final Pattern INTEGER =
            Pattern.compile("0[bB](?:_?[01])+|0[oO](?:_?[0-7])+|0[xX](?:_?[0-9a-fA-F])+|[1-9](?:_?\\d)*|0(?:_?0)*");
    private static final String[] OPERATORS = {
        "//", "**", "==", "!=", ">=", "<=", "+", "-", "/", "*", "%", "~", "[", "]", "(", ")", "{", "}", ">", "<", "=",
        ".", ":", "|", ",", ";"
    };

    private final String source;
    private final int start;
    private int end;
    private String text = "";

    TokenScanner(String source, int start) {
        this.source = source;
        this.start = start;
        this.end = start;
    }

    int end() {
        return end;
    }

    /// The token's text, a string's without quotes and escapes.
    String text() {
        return text;
    }

    /// The kind of token that starts here, or null if none does.
    @Nullable
    Kind scan() {
        char first = source.charAt(start);
        if (first >= '0' && first <= '9') {
            return number();
        }
        if (isNamePart(first)) {
            end = start;
            while (end < source.length() && isNamePart(source.charAt(end))) {
                end++;
            }
            text = source.substring(start, end);
            return Character.isJavaIdentifierStart(first) && first != '$' ? Kind.NAME : null;
        }
        if (first == '\'' || first == '"') {
            return string(first);
        }
        for (var operator : OPERATORS) {
            if (source.startsWith(operator, start)) {
                text = operator;
                end = start + operator.length();
                return Kind.OPERATOR;
            }
        }
        return null;
    }

    private static boolean isNamePart(char character) {
        return character == '_' || Character.isLetterOrDigit(character);
    }

    private @Nullable Kind number() {
        var number = FLOAT.matcher(source).region(start, source.length()).useTransparentBounds(true);
        if (number.lookingAt()) {
            text = number.group().replace("_", "");
            end = number.end();
            return Kind.FLOAT;
        }
        number.usePattern(INTEGER);
        if (!number.lookingAt()) {
            return null;
        }
        text = number.group().replace("_", "");
        end = number.end();
        return Kind.INTEGER;
    }

    private @Nullable Kind string(char quote) {
        var unescaped = new StringBuilder();
        int at = start + 1;
        while (at < source.length() && source.charAt(at) != quote) {
            if (source.charAt(at) == '\\' && at + 1 < source.length()) {
                at = escape(at + 1, unescaped);
            } else {
                unescaped.append(source.charAt(at++));
            }
        }
        if (at >= source.length()) {
            return null;
        }
        text = unescaped.toString();
        end = at + 1;
        return Kind.STRING;
    }

    /// Appends what an escape stands for and returns the index behind it. An unknown one stands for itself.
    private int escape(int at, StringBuilder out) {
        char character = source.charAt(at);
        switch (character) {
            case 'n' -> out.append('\n');
            case 't' -> out.append('\t');
            case 'r' -> out.append('\r');
            case 'a' -> out.append('\u0007');
            case 'b' -> out.append('\b');
            case 'f' -> out.append('\f');
            case 'v' -> out.append('\u000b');
            case '\\', '\'', '"' -> out.append(character);
            case '\n' -> {}
            case 'x' -> {
                return hexadecimal(at + 1, 2, out);
            }
            case 'u' -> {
                return hexadecimal(at + 1, 4, out);
            }
            case 'U' -> {
                return hexadecimal(at + 1, 8, out);
            }
            case '0', '1', '2', '3', '4', '5', '6', '7' -> {
                return octal(at, out);
            }
            default -> out.append('\\').append(character);
        }
        return at + 1;
    }

    private int hexadecimal(int at, int digits, StringBuilder out) {
        int stop = at + digits;
        var hex = stop <= source.length() ? source.substring(at, stop) : "";
        if (!hex.matches("[0-9a-fA-F]+")) {
            throw new JinjaException("an escape in a string wants " + digits + " hexadecimal digits");
        }
        long character = Long.parseLong(hex, 16);
        if (character > Character.MAX_CODE_POINT) {
            throw new JinjaException("the escape \\U" + hex + " is no Unicode character");
        }
        out.appendCodePoint((int) character);
        return stop;
    }

    private int octal(int at, StringBuilder out) {
        int value = 0;
        int stop = at;
        while (stop < at + 3 && stop < source.length() && Character.digit(source.charAt(stop), 8) >= 0) {
            value = value * 8 + Character.digit(source.charAt(stop++), 8);
        }
        out.append((char) value);
        return stop;
    }
}
