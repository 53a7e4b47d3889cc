package client;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/// Reads one JSON text. The JDK has no reader, and these programs have only the JDK.
final class JsonReader {
    private static final int MAX_DEPTH = 64;

    private final String text;
    private int at;
    private int depth;

    JsonReader(String text) {
        this.text = text;
    }

    Object whole() {
        var value = value();
        if (next() != 0) {
            throw wrong("text after the end");
        }
        return value;
    }

    private Object value() {
        return switch (next()) {
            case '{' -> object();
            case '[' -> list();
            case '"' -> string();
            case 't' -> word("true", true);
            case 'f' -> word("false", false);
            case 'n' -> word("null", null);
            default -> number();
        };
    }

    private Map<String, Object> object() {
        enter();
        var map = new LinkedHashMap<String, Object>();
        while (next() != '}') {
            if (!map.isEmpty()) {
                take(',');
                next();
            }
            var name = string();
            take(':');
            map.put(name, value());
        }
        leave();
        return map;
    }

    private List<Object> list() {
        enter();
        var list = new ArrayList<>();
        while (next() != ']') {
            if (!list.isEmpty()) {
                take(',');
            }
            list.add(value());
        }
        leave();
        return list;
    }

    private void enter() {
        at++;
        if (++depth > MAX_DEPTH) {
            throw wrong("deeper than " + MAX_DEPTH);
        }
    }

    private void leave() {
        at++;
        depth--;
    }

    private String string() {
        if (next() != '"') {
            throw wrong("no string");
        }
        var out = new StringBuilder();
        for (at++; at < text.length() && text.charAt(at) != '"'; at++) {
            var c = text.charAt(at);
            if (c == '\\') {
                out.append(escaped());
            } else {
                out.append(c);
            }
        }
        take('"');
        return out.toString();
    }

    /// Ends at the last character of the escape.
    private char escaped() {
        at++;
        var c = at < text.length() ? text.charAt(at) : 0;
        return switch (c) {
            case 'n' -> '\n';
            case 't' -> '\t';
            case 'r' -> '\r';
            case 'b' -> '\b';
            case 'f' -> '\f';
            case '"', '\\', '/' -> c;
            case 'u' -> {
                at += 4;
                if (at >= text.length()) {
                    throw wrong("half an escape");
                }
                yield (char) Integer.parseInt(text, at - 3, at + 1, 16);
            }
            default -> throw wrong("no such escape");
        };
    }

    private Object number() {
        var start = at;
        while (at < text.length() && "+-.eE0123456789".indexOf(text.charAt(at)) >= 0) {
            at++;
        }
        // A Double's own message names no place.
        try {
            return Double.valueOf(text.substring(start, at));
        } catch (NumberFormatException _) {
            throw wrong("no value");
        }
    }

    private Object word(String word, Object value) {
        if (!text.startsWith(word, at)) {
            throw wrong("no value");
        }
        at += word.length();
        return value;
    }

    private void take(char expected) {
        if (next() != expected) {
            throw wrong("no " + expected);
        }
        at++;
    }

    /// The next character that is no space, not taken yet; 0 at the end.
    private char next() {
        while (at < text.length() && " \n\r\t".indexOf(text.charAt(at)) >= 0) {
            at++;
        }
        return at < text.length() ? text.charAt(at) : 0;
    }

    private IllegalArgumentException wrong(String what) {
        return new IllegalArgumentException(what + " at character " + at);
    }
}
