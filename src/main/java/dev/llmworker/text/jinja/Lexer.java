package dev.llmworker.text.jinja;

import dev.llmworker.text.jinja.Token.Kind;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Pattern;

/// Cuts a template into tokens, with `trim_blocks` and `lstrip_blocks` on: the line end after a block tag goes, and so
/// does white space between a line's start and a block tag; `-` cuts all white space, `+` keeps it.
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
        // As jinja2 without keep_trailing_newline.
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

    /// Adds the text up to a tag, without the white space that the tag takes.
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

    /// Goes behind the end of a tag and what the end takes of the text after it.
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
                // The parser says what it waits for.
                return;
            }
            char sign = source.charAt(at);
            boolean signed = sign == '-' || sign == '+' && end == Kind.TAG_END;
            int closed = signed && source.startsWith(closing, at + 1) ? at + 1 : at;
            // Within brackets, braces close a dict.
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
        // A text's line is the one it begins on; other tokens begin where the count ends.
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
}
