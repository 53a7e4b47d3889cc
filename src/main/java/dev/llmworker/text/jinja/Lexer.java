package dev.llmworker.text.jinja;

import dev.llmworker.text.jinja.Lexer.Token.Kind;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/// Cuts a template into tokens, with `trim_blocks` and `lstrip_blocks`. A block tag removes the line end after it and
/// the white space between the start of the line and itself. `-` removes all white space, `+` keeps it.
final class Lexer {
    private static final Pattern RAW_BEGIN = Pattern.compile("\\{%([-+]?)\\s*raw\\s*(?:-%}\\s*|%})");
    private static final Pattern RAW_END = Pattern.compile("\\{%([-+]?)\\s*endraw\\s*(?:\\+%}|-%}\\s*|%}\\n?)");

    private final String source;
    private final List<Token> tokens = new ArrayList<>();
    private int at;
    private int line = 1;
    private int lineCountedTo;

    private Lexer(String source) {
        this.source = source;
    }

    static List<Token> tokens(String template) {
        var source = template.replace("\r\n", "\n").replace('\r', '\n');
        // jinja2 does the same without keep_trailing_newline.
        var lexer = new Lexer(source.endsWith("\n") ? source.substring(0, source.length() - 1) : source);
        lexer.template();
        return lexer.tokens;
    }

    private void template() {
        while (at < source.length()) {
            int tag = nextTag();
            if (tag < 0) {
                add(Kind.TEXT, source.substring(at), source.length());
                break;
            }
            var raw = source.charAt(tag + 1) == '%' ? RAW_BEGIN.matcher(source).region(tag, source.length()) : null;
            if (raw != null && raw.lookingAt()) {
                text(tag, sign(raw.group(1)), true);
                at = raw.end();
                raw();
                continue;
            }
            char opening = source.charAt(tag + 1);
            char sign = tag + 2 < source.length() ? source.charAt(tag + 2) : ' ';
            boolean signed = sign == '-' || sign == '+';
            text(tag, signed ? sign : ' ', opening != '{');
            at = tag + (signed ? 3 : 2);
            switch (opening) {
                case '#' -> comment(tag);
                case '{' -> tag(Kind.OUTPUT_BEGIN, Kind.OUTPUT_END);
                default -> tag(Kind.TAG_BEGIN, Kind.TAG_END);
            }
        }
        add(Kind.END, "", source.length());
    }

    private int nextTag() {
        for (int brace = source.indexOf('{', at); brace >= 0; brace = source.indexOf('{', brace + 1)) {
            char next = brace + 1 < source.length() ? source.charAt(brace + 1) : ' ';
            if (next == '{' || next == '%' || next == '#') {
                return brace;
            }
        }
        return -1;
    }

    private static char sign(String group) {
        return group.isEmpty() ? ' ' : group.charAt(0);
    }

    /// Adds the text before a tag, without the white space that the tag removes.
    private void text(int end, char sign, boolean stripsLine) {
        var text = source.substring(at, end);
        if (sign == '-') {
            text = PythonText.strip(text, null, false, true);
        } else if (sign != '+' && stripsLine) {
            int lineStart = text.lastIndexOf('\n') + 1;
            boolean startsLine = lineStart > 0 || at == 0 || source.charAt(at - 1) == '\n';
            if (startsLine && PythonText.isSpace(text.substring(lineStart))) {
                text = text.substring(0, lineStart);
            }
        }
        if (!text.isEmpty()) {
            add(Kind.TEXT, text, end);
        }
    }

    private void raw() {
        var end = RAW_END.matcher(source).region(at, source.length());
        if (!end.find()) {
            throw fault("Missing end of raw directive");
        }
        text(end.start(), sign(end.group(1)), true);
        at = end.end();
    }

    private void comment(int start) {
        int end = source.indexOf("#}", at);
        if (end < 0) {
            at = start;
            throw fault("Missing end of comment tag");
        }
        boolean signed = end > at;
        close(end + 2, signed ? source.charAt(end - 1) : ' ', true);
    }

    /// Moves past the end of a tag and the white space that the tag removes after it.
    private void close(int end, char sign, boolean trimsLineEnd) {
        at = end;
        if (sign == '-') {
            while (at < source.length() && PythonText.isSpace(source.charAt(at))) {
                at++;
            }
        } else if (sign != '+' && trimsLineEnd && at < source.length() && source.charAt(at) == '\n') {
            at++;
        }
    }

    private void tag(Kind begin, Kind end) {
        add(begin, "", at);
        var brackets = new ArrayList<Character>();
        var closing = end == Kind.TAG_END ? "%}" : "}}";
        while (true) {
            while (at < source.length() && PythonText.isSpace(source.charAt(at))) {
                at++;
            }
            if (at == source.length()) {
                // The parser reports what is missing.
                return;
            }
            char sign = source.charAt(at);
            boolean signed = sign == '-' || sign == '+' && end == Kind.TAG_END;
            int closed = signed && source.startsWith(closing, at + 1) ? at + 1 : at;
            // Inside brackets, braces close a dict.
            if (brackets.isEmpty() && source.startsWith(closing, closed)) {
                add(end, "", at);
                close(closed + 2, closed > at ? sign : ' ', end == Kind.TAG_END);
                return;
            }
            var scanner = new TokenScanner(source, at);
            var kind = scanner.scan();
            if (kind == null) {
                throw fault("unexpected char '" + Character.toString(source.codePointAt(at)) + "'");
            }
            if (kind == Kind.OPERATOR) {
                balance(brackets, scanner.text().charAt(0));
            }
            add(kind, scanner.text(), at);
            at = scanner.end();
        }
    }

    private void balance(List<Character> brackets, char operator) {
        switch (operator) {
            case '(' -> brackets.add(')');
            case '[' -> brackets.add(']');
            case '{' -> brackets.add('}');
            case ')', ']', '}' -> {
                if (brackets.isEmpty() || brackets.removeLast() != operator) {
                    throw fault("unexpected '" + operator + "'");
                }
            }
            default -> {}
        }
    }

    private void add(Kind kind, String text, int countLinesTo) {
        // A text token begins at the current position. Other tokens begin where the count ends.
        int begin = kind == Kind.TEXT ? lineAt(at) : lineAt(countLinesTo);
        tokens.add(new Token(kind, text, begin));
    }

    private int lineAt(int position) {
        for (; lineCountedTo < position; lineCountedTo++) {
            if (source.charAt(lineCountedTo) == '\n') {
                line++;
            }
        }
        return line;
    }

    private JinjaException fault(String reason) {
        return JinjaException.at(lineAt(at), reason);
    }

    /// Scans one token inside a tag.
    static final class TokenScanner {
        private static final Pattern FLOAT = Pattern.compile(
                "(?<!\\.)(?:\\d+_)*\\d+(?:(?:\\.(?:\\d+_)*\\d+)?[eE][-+]?(?:\\d+_)*\\d+|\\.(?:\\d+_)*\\d+)");
        private static final Pattern INTEGER =
                Pattern.compile("0[bB](?:_?[01])+|0[oO](?:_?[0-7])+|0[xX](?:_?[0-9a-fA-F])+|[1-9](?:_?\\d)*|0(?:_?0)*");
        private static final String[] OPERATORS = {
            "//", "**", "==", "!=", ">=", "<=", "+", "-", "/", "*", "%", "~", "[", "]", "(", ")", "{", "}", ">", "<",
            "=", ".", ":", "|", ",", ";"
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

        /// The token's text. A string has no quotes and its escapes are replaced.
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

        /// Appends the character of an escape and returns the index after it. An unknown escape is appended as it is.
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
                throw new JinjaException("an escape in a string needs " + digits + " hexadecimal digits");
            }
            long character = Long.parseLong(hex, 16);
            if (character > Character.MAX_CODE_POINT) {
                throw new JinjaException("the escape \\U" + hex + " is not a Unicode character");
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

    /// A token of a template.
    ///
    /// @param text a text outside of tags, a name, an operator, an unescaped string, or digits
    /// @param line the line it begins on, from 1
    record Token(Kind kind, String text, int line) {
        enum Kind {
            /// Text outside of tags, without the white space that the tags around it remove.
            TEXT,
            OUTPUT_BEGIN,
            OUTPUT_END,
            TAG_BEGIN,
            TAG_END,
            NAME,
            STRING,
            INTEGER,
            FLOAT,
            OPERATOR,
            END
        }

        boolean isName(String name) {
            return kind == Kind.NAME && text.equals(name);
        }

        boolean isOperator(String operator) {
            return kind == Kind.OPERATOR && text.equals(operator);
        }

        /// The token as error messages show it.
        String shown() {
            return switch (kind) {
                case END -> "the end of the template";
                case OUTPUT_END -> "'}}'";
                case TAG_END -> "'%}'";
                case TEXT, OUTPUT_BEGIN, TAG_BEGIN -> "the end of a tag";
                case NAME, STRING, INTEGER, FLOAT, OPERATOR -> "'" + text + "'";
            };
        }
    }

    /// The tokens of a template during parsing, and how deeply nested the parser is.
    static final class TokenStream {
        /// The most brackets, operators and tags inside each other. The parser needs a few stack frames for each.
        static final int MAX_NESTING = 100;

        private final List<Token> tokens;
        private int position;
        private int nesting;

        TokenStream(List<Token> tokens) {
            this.tokens = tokens;
        }

        Token current() {
            return tokens.get(position);
        }

        Token following() {
            return tokens.get(Math.min(position + 1, tokens.size() - 1));
        }

        /// Returns the current token and moves past it. The last token stays.
        Token next() {
            var token = current();
            if (position < tokens.size() - 1) {
                position++;
            }
            return token;
        }

        boolean skipName(String name) {
            return skip(current().isName(name));
        }

        boolean skipOperator(String operator) {
            return skip(current().isOperator(operator));
        }

        private boolean skip(boolean matches) {
            if (matches) {
                next();
            }
            return matches;
        }

        void expectOperator(String operator) {
            if (!skipOperator(operator)) {
                throw fault("expected '" + operator + "', got " + current().shown());
            }
        }

        void expectName(String name) {
            if (!skipName(name)) {
                throw fault("expected '" + name + "', got " + current().shown());
            }
        }

        String expectAnyName() {
            return expect(Kind.NAME, "a name").text();
        }

        Token expect(Kind kind, String what) {
            if (current().kind() != kind) {
                throw fault("expected " + what + ", got " + current().shown());
            }
            return next();
        }

        void enter() {
            if (++nesting > MAX_NESTING) {
                throw fault("nested deeper than " + MAX_NESTING + " levels, the limit");
            }
        }

        void leave() {
            nesting--;
        }

        JinjaException fault(String reason) {
            return JinjaException.at(current().line(), reason);
        }
    }
}
