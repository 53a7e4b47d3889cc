package dev.llmworker.text.jinja;

import dev.llmworker.text.jinja.Arguments.Bound;
import dev.llmworker.text.jinja.Values.Invocable;
import dev.llmworker.text.jinja.Values.None;
import dev.llmworker.text.jinja.Values.Sequence;
import dev.llmworker.text.jinja.Values.Undefined;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.BiPredicate;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/// The methods of str, list and dict that chat templates use. Methods that change a list or dict are refused, as in
/// jinja2's immutable sandbox.
final class Methods {
    private static final Pattern FORMAT_FIELD =
            Pattern.compile("\\{\\{|\\}\\}|\\{(?<name>\\d{0,9}+|[\\p{IsAlphabetic}_]\\w*+)\\}|\\{[^{}]*+\\}|[{}]");
    private static final Set<String> CHANGING_LIST =
            Set.of("append", "clear", "pop", "reverse", "insert", "sort", "extend", "remove");
    private static final Set<String> CHANGING_DICT = Set.of("clear", "pop", "popitem", "setdefault", "update");

    private static final Builtins<String> OF_STRING = new Builtins<>("str.");
    private static final Builtins<Map<?, ?>> OF_DICT = new Builtins<>("dict.");

    static {
        OF_STRING.add("strip", "chars? /", (b, s, a) -> PythonText.strip(b, s, a.optionalText(0), true, true));
        OF_STRING.add("lstrip", "chars? /", (b, s, a) -> PythonText.strip(b, s, a.optionalText(0), true, false));
        OF_STRING.add("rstrip", "chars? /", (b, s, a) -> PythonText.strip(b, s, a.optionalText(0), false, true));
        OF_STRING.add("upper", "/", (_, s, _) -> PythonText.upper(s));
        OF_STRING.add("lower", "/", (_, s, _) -> PythonText.lower(s));
        OF_STRING.add("title", "/", (_, s, _) -> PythonText.title(s));
        OF_STRING.add("capitalize", "/", (_, s, _) -> PythonText.capitalize(s));
        OF_STRING.add("split", "sep? maxsplit?", (b, s, a) -> {
            return PythonText.split(b, s, a.optionalText(0), a.integer(1, -1));
        });
        OF_STRING.add("splitlines", "keepends?", (b, s, a) -> PythonText.lines(b, s, a.isTrue(0)));
        OF_STRING.add("join", "iterable /", (b, s, a) -> {
            var texts = Values.items(b, a.at(0)).stream().map(item -> Values.text(item, "an item of str.join"));
            return Filters.join(b, s, texts);
        });
        OF_STRING.add("startswith", "prefix start? end? /", (b, s, a) -> matchesAny(b, s, a, String::startsWith));
        OF_STRING.add("endswith", "suffix start? end? /", (b, s, a) -> matchesAny(b, s, a, String::endsWith));
        OF_STRING.add("replace", "old new count? /", (b, s, a) -> {
            return PythonText.replace(b, s, a.text(0), a.text(1), a.integer(2, -1));
        });
        OF_STRING.add("find", "sub start? end? /", Methods::find);
        OF_STRING.addOpen("format", Methods::format);

        OF_DICT.add("get", "key default? /", (b, dict, a) -> {
            var value = dict.get(Values.key(b, a.at(0)));
            return value != null ? value : a.at(1);
        });
        OF_DICT.add("keys", "/", (b, dict, _) -> view(b, "dict_keys", new ArrayList<>(dict.keySet())));
        OF_DICT.add("values", "/", (b, dict, _) -> view(b, "dict_values", new ArrayList<>(dict.values())));
        OF_DICT.add("items", "/", (b, dict, _) -> view(b, "dict_items", Values.pairs(dict)));
    }

    private Methods() {}

    /// The method of this name, or null if str has none that a template needs.
    static @Nullable Invocable ofString(Budget budget, String text, String name) {
        var method = OF_STRING.find(budget, text, name);
        if (method == null) {
            return null;
        }
        return arguments -> {
            budget.characters(text.length());
            return method.call(arguments);
        };
    }

    /// The method of this name, or null if list has none that a template needs. All the others change the list.
    static @Nullable Object ofList(String name) {
        return CHANGING_LIST.contains(name) ? unsafe(name, "list") : null;
    }

    /// The method of this name, or null if dict has none that a template needs.
    static @Nullable Object ofDict(Budget budget, Map<?, ?> dict, String name) {
        return CHANGING_DICT.contains(name) ? unsafe(name, "dict") : OF_DICT.find(budget, dict, name);
    }

    private static Undefined unsafe(String name, String type) {
        return new Undefined("access to attribute '" + name + "' of '" + type + "' object is unsafe.");
    }

    private static Sequence view(Budget budget, String kind, List<Object> items) {
        budget.steps(items.size());
        return new Sequence(kind, items);
    }

    /// The part of the text from the second argument to the third.
    private static String within(Budget budget, String text, Bound arguments) {
        if (arguments.at(1) == None.NONE && arguments.at(2) == None.NONE) {
            return text;
        }
        return PythonText.slice(budget, text, arguments.at(1), arguments.at(2), None.NONE);
    }

    private static boolean matchesAny(
            Budget budget, String text, Bound arguments, BiPredicate<String, String> matches) {
        var searched = within(budget, text, arguments);
        var affixes =
                Values.isTuple(arguments.at(0)) ? Values.items(budget, arguments.at(0)) : List.of(arguments.at(0));
        return affixes.stream().anyMatch(affix -> {
            var affixText = Values.text(affix, arguments.callee());
            budget.scan(affixText.length());
            return matches.test(searched, affixText);
        });
    }

    private static long find(Budget budget, String text, Bound arguments) {
        var searched = within(budget, text, arguments);
        int found = PythonText.find(searched, arguments.text(0), 0);
        if (found < 0) {
            return -1;
        }
        int length = PythonText.length(budget, text);
        int start = length
                - Range.ofSlice(arguments.at(1), None.NONE, None.NONE, length).size();
        return start + searched.codePointCount(0, found);
    }

    /// `str.format` with the fields `{}`, `{0}` and `{name}`. `{{` and `}}` stand for braces.
    private static String format(Budget budget, String format, Arguments arguments) {
        var out = budget.text();
        var field = FORMAT_FIELD.matcher(format);
        int copied = 0;
        int next = 0;
        while (field.find()) {
            budget.step();
            out.append(format, copied, field.start());
            copied = field.end();
            var name = field.group("name");
            if (name != null) {
                var value = argument(arguments, name.isEmpty() ? Integer.toString(next++) : name);
                out.append(Printing.str(budget, value));
            } else if (field.end() - field.start() == 2) {
                out.append(format, field.start(), field.start() + 1);
            } else {
                throw new JinjaException(
                        "'" + field.group() + "' is not supported in str.format; the fields are {}, {0} and {name}");
            }
        }
        return out.append(format, copied, format.length()).toString();
    }

    private static Object argument(Arguments arguments, String field) {
        if (!Character.isDigit(field.charAt(0))) {
            var value = arguments.named().get(field);
            if (value == null) {
                throw new JinjaException("str.format has no argument '" + field + "'");
            }
            return value;
        }
        int position = Integer.parseInt(field);
        if (position >= arguments.positional().size()) {
            throw new JinjaException("Replacement index " + position + " out of range for positional args tuple");
        }
        return arguments.positional().get(position);
    }
}
