package dev.llmworker.text.jinja;

import dev.llmworker.text.jinja.Tokens.Kind;
import dev.llmworker.text.jinja.Tokens.Token;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.MatchResult;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/// Cuts a template into tokens, with `trim_blocks` and `lstrip_blocks`. A block tag removes the line end after it and
/// the white space between the start of the line and itself. `-` removes all white space, `+` keeps it.
///
/// The repetitions of groups are possessive. Java needs no stack for these.
final class Lexer {
    private static final Pattern OPENING =
            Pattern.compile("\\{%(?<rawSign>[-+]?)\\s*raw\\s*(?:-%}\\s*|%})|\\{(?<kind>[{%#])(?<sign>[-+]?)");
    private static final Pattern RAW_END = Pattern.compile("\\{%([-+]?)\\s*endraw\\s*(?:\\+%}|-%}\\s*|%}\\n?)");
    private static final Pattern COMMENT_END = Pattern.compile("(?s).*?(?:-#}" + PythonText.SPACE + "*|\\+#}|#}\\n?)");
    private static final Pattern TAG_END = Pattern.compile("-%}" + PythonText.SPACE + "*|\\+%}|%}\\n?");
    private static final Pattern OUTPUT_END = Pattern.compile("-}}" + PythonText.SPACE + "*|}}");

    private static final String DIGITS = "\\d++(?:_\\d++)*+";
    private static final Pattern TOKEN = Pattern.compile(
            "(?<float>(?<!\\.)DIGITS(?:(?:\\.DIGITS)?[eE][-+]?DIGITS|\\.DIGITS))".replace("DIGITS", DIGITS)
                    + "|(?<integer>[1-9](?:_?\\d)*+|0(?:_?0)*+)"
                    + "|(?<name>[\\p{L}_][\\p{L}\\p{Nd}_]*+)"
                    + "|(?<string>'(?:[^'\\\\]++|\\\\.)*+'|\"(?:[^\"\\\\]++|\\\\.)*+\")"
                    + "|(?<operator>//|[=!<>]=|[-+/*%~\\[\\](){}<>=.:|,;])",
            Pattern.DOTALL);
    private static final Pattern ESCAPE =
            Pattern.compile("\\\\(?:(?<octal>[0-7]{1,3})|x.{0,2}|u.{0,4}|U.{0,8}|(?<one>.))", Pattern.DOTALL);

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
        var opening = OPENING.matcher(source);
        while (opening.find(at)) {
            var kind = opening.group("kind");
            text(opening.start(), kind == null ? opening.group("rawSign") : opening.group("sign"), !"{".equals(kind));
            at = opening.end();
            switch (kind) {
                case null -> raw();
                case "#" -> skip(COMMENT_END, "Missing end of comment tag");
                case "{" -> tag(Kind.OUTPUT_BEGIN, Kind.OUTPUT_END, OUTPUT_END);
                default -> tag(Kind.TAG_BEGIN, Kind.TAG_END, TAG_END);
            }
        }
        text(source.length(), "", false);
        at = source.length();
        add(Kind.END, "");
    }

    /// Adds the text before a tag, without the white space that the tag removes.
    private void text(int end, String sign, boolean stripsLine) {
        var text = source.substring(at, end);
        if (sign.equals("-")) {
            text = PythonText.strip(text, false, true);
        } else if (sign.isEmpty() && stripsLine) {
            int lineStart = text.lastIndexOf('\n') + 1;
            boolean startsLine = lineStart > 0 || at == 0 || source.charAt(at - 1) == '\n';
            if (startsLine && text.substring(lineStart).codePoints().allMatch(PythonText::isSpace)) {
                text = text.substring(0, lineStart);
            }
        }
        if (!text.isEmpty()) {
            add(Kind.TEXT, text);
        }
    }

    private void raw() {
        var end = RAW_END.matcher(source);
        if (!end.find(at)) {
            throw fault("Missing end of raw directive");
        }
        text(end.start(), end.group(1), true);
        at = end.end();
    }

    private void skip(Pattern pattern, String complaint) {
        var end = matcher(pattern);
        if (!end.lookingAt()) {
            throw fault(complaint);
        }
        at = end.end();
    }

    private Matcher matcher(Pattern pattern) {
        return pattern.matcher(source).useTransparentBounds(true).region(at, source.length());
    }

    private void tag(Kind begin, Kind end, Pattern closing) {
        add(begin, "");
        var brackets = new ArrayList<Character>();
        while (true) {
            while (at < source.length() && PythonText.isSpace(source.charAt(at))) {
                at++;
            }
            if (at == source.length()) {
                // The parser reports what is missing.
                return;
            }
            // Inside brackets, braces close a dict.
            var closed = matcher(closing);
            if (brackets.isEmpty() && closed.lookingAt()) {
                add(end, "");
                at = closed.end();
                return;
            }
            var token = matcher(TOKEN);
            if (!token.lookingAt()) {
                throw fault("unexpected char '" + Character.toString(source.codePointAt(at)) + "'");
            }
            add(token, brackets);
            at = token.end();
        }
    }

    private void add(Matcher token, List<Character> brackets) {
        var text = token.group();
        if (token.group("operator") != null) {
            balance(brackets, text.charAt(0));
            add(Kind.OPERATOR, text);
        } else if (token.group("name") != null) {
            add(Kind.NAME, text);
        } else if (token.group("string") != null) {
            add(
                    Kind.STRING,
                    ESCAPE.matcher(text.substring(1, text.length() - 1)).replaceAll(this::unescaped));
        } else {
            add(token.group("float") != null ? Kind.FLOAT : Kind.INTEGER, text.replace("_", ""));
        }
    }

    private void balance(List<Character> brackets, char operator) {
        int opening = "([{".indexOf(operator);
        if (opening >= 0) {
            brackets.add(")]}".charAt(opening));
        } else if (")]}".indexOf(operator) >= 0 && (brackets.isEmpty() || brackets.removeLast() != operator)) {
            throw fault("unexpected '" + operator + "'");
        }
    }

    /// The character of an escape. An unknown escape stays as it is.
    private String unescaped(MatchResult escape) {
        var octal = escape.group("octal");
        int known = octal != null ? -1 : "abfnrtv\\'\"\n".indexOf(escape.group().charAt(1));
        String text;
        if (octal != null) {
            text = Character.toString(Integer.parseInt(octal, 8));
        } else if (escape.group("one") == null) {
            text = hexadecimal(escape);
        } else {
            text = known < 0
                    ? escape.group()
                    : known == 10 ? "" : "\u0007\b\f\n\r\t\u000b\\'\"".substring(known, known + 1);
        }
        return Matcher.quoteReplacement(text);
    }

    private String hexadecimal(MatchResult escape) {
        int digits = switch (escape.group().charAt(1)) {
            case 'x' -> 2;
            case 'u' -> 4;
            default -> 8;
        };
        var hex = escape.group().substring(2);
        if (hex.length() < digits || !hex.matches("[0-9a-fA-F]+")) {
            throw fault("an escape in a string needs " + digits + " hexadecimal digits");
        }
        long character = Long.parseLong(hex, 16);
        if (character > Character.MAX_CODE_POINT) {
            throw fault("the escape \\U" + hex + " is not a Unicode character");
        }
        return Character.toString((int) character);
    }

    /// Adds a token that begins at the current position.
    private void add(Kind kind, String text) {
        tokens.add(new Token(kind, text, currentLine()));
    }

    private int currentLine() {
        for (; lineCountedTo < at; lineCountedTo++) {
            if (source.charAt(lineCountedTo) == '\n') {
                line++;
            }
        }
        return line;
    }

    private JinjaException fault(String reason) {
        return JinjaException.at(currentLine(), reason);
    }
}
