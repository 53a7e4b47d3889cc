package dev.llmworker.text.jinja;

/// `str.format`: fields in braces, by position, name or order, with attributes, elements, `!r` and a [FormatSpec].
final class StringFormat {
    private final Rendering rendering;
    private final Arguments arguments;
    private int nextPosition;

    private StringFormat(Rendering rendering, Arguments arguments) {
        this.rendering = rendering;
        this.arguments = arguments;
    }

    static String format(Rendering rendering, String format, Arguments arguments) {
        return new StringFormat(rendering, arguments).format(format, true);
    }

    private String format(String format, boolean mayNest) {
        var out = rendering.budget().text();
        int at = 0;
        while (at < format.length()) {
            char character = format.charAt(at);
            boolean doubled = at + 1 < format.length() && format.charAt(at + 1) == character;
            if (character != '{' && character != '}') {
                int end = at + 1;
                while (end < format.length() && format.charAt(end) != '{' && format.charAt(end) != '}') {
                    end++;
                }
                out.append(format, at, end);
                at = end;
            } else if (doubled) {
                out.append(format, at, at + 1);
                at += 2;
            } else if (character == '}') {
                throw new JinjaException("Single '}' encountered in format string");
            } else {
                int end = fieldEnd(format, at);
                out.append(field(format.substring(at + 1, end), mayNest));
                at = end + 1;
            }
        }
        return out.toString();
    }

    private static int fieldEnd(String format, int start) {
        int open = 0;
        for (int at = start; at < format.length(); at++) {
            char character = format.charAt(at);
            open += character == '{' ? 1 : character == '}' ? -1 : 0;
            if (open == 0) {
                return at;
            }
        }
        throw new JinjaException("expected '}' before end of string");
    }

    private String field(String field, boolean mayNest) {
        rendering.budget().step();
        int nameEnd = 0;
        while (nameEnd < field.length() && field.charAt(nameEnd) != '!' && field.charAt(nameEnd) != ':') {
            // A key in brackets may hold any character but the closing one.
            int bracket = field.charAt(nameEnd) == '[' ? field.indexOf(']', nameEnd) : -1;
            nameEnd = bracket < 0 ? nameEnd + 1 : bracket + 1;
        }
        var value = value(field.substring(0, nameEnd));
        int specStart = nameEnd;
        if (specStart < field.length() && field.charAt(specStart) == '!') {
            char conversion = specStart + 1 < field.length() ? field.charAt(specStart + 1) : ' ';
            value = converted(value, conversion);
            specStart += 2;
        }
        if (specStart < field.length() && field.charAt(specStart) != ':') {
            throw new JinjaException("expected ':' after conversion specifier");
        }
        var spec = specStart < field.length() ? field.substring(specStart + 1) : "";
        if (spec.indexOf('{') >= 0) {
            if (!mayNest) {
                throw new JinjaException("Max string recursion exceeded");
            }
            spec = format(spec, false);
        }
        return FormatSpec.parse(spec).format(rendering, value);
    }

    private Object converted(Object value, char conversion) {
        return switch (conversion) {
            case 'r' -> Printing.repr(rendering.budget(), value);
            case 's' -> rendering.str(value);
            default -> throw new JinjaException("Unknown conversion specifier '" + conversion + "'");
        };
    }

    private Object value(String path) {
        int end = 0;
        while (end < path.length() && path.charAt(end) != '.' && path.charAt(end) != '[') {
            end++;
        }
        if (end == 0 && !path.isEmpty()) {
            throw new JinjaException("a field of a format needs a name or number before '" + path + "'");
        }
        var value = first(path.substring(0, end));
        while (end < path.length()) {
            int start = end + 1;
            if (path.charAt(end) == '[') {
                int close = path.indexOf(']', start);
                if (close < 0) {
                    throw new JinjaException("Missing ']' in format string");
                }
                value = Subscripts.element(rendering, value, key(path.substring(start, close)));
                end = close + 1;
            } else {
                end = start;
                while (end < path.length() && path.charAt(end) != '.' && path.charAt(end) != '[') {
                    end++;
                }
                value = Subscripts.attribute(rendering, value, path.substring(start, end));
            }
        }
        return value;
    }

    private Object first(String name) {
        if (!name.isEmpty() && !isNumber(name)) {
            var value = arguments.named().get(name);
            if (value == null) {
                throw new JinjaException("str.format has no argument '" + name + "'");
            }
            return value;
        }
        int position = name.isEmpty() ? nextPosition++ : Integer.parseInt(name);
        if (position >= arguments.positional().size()) {
            throw new JinjaException("Replacement index " + position + " out of range for positional args tuple");
        }
        return arguments.positional().get(position);
    }

    private static Object key(String key) {
        return isNumber(key) ? (Object) Long.parseLong(key) : key;
    }

    private static boolean isNumber(String text) {
        return !text.isEmpty()
                && text.length() <= 9
                && text.chars().allMatch(character -> character >= '0' && character <= '9');
    }
}
