package dev.llmworker.text.jinja;

import dev.llmworker.text.jinja.Arguments.Bound;
import dev.llmworker.text.jinja.Arguments.Signature;
import dev.llmworker.text.jinja.Values.DictView;
import dev.llmworker.text.jinja.Values.Invocable;
import dev.llmworker.text.jinja.Values.None;
import dev.llmworker.text.jinja.Values.Range;
import dev.llmworker.text.jinja.Values.Tuple;
import dev.llmworker.text.jinja.Values.Undefined;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/// The methods of str, list and dict that chat templates use. Methods that change a list or dict are refused, as in
/// jinja2's immutable sandbox.
final class Methods {
    /// A method whose arguments are bound to its parameters.
    @FunctionalInterface
    private interface Body {
        Object call(Rendering rendering, String text, Bound arguments);
    }

    private record Method(Signature signature, Body body) {}

    private static final Set<String> TAKE_NAMES = Set.of("split", "splitlines");
    private static final Signature KEY = Signature.of("key default?");
    private static final Pattern FORMAT_FIELD =
            Pattern.compile("\\{\\{|\\}\\}|\\{(?<name>\\d{0,9}|[\\p{IsAlphabetic}_]\\w*)\\}|\\{[^{}]*\\}|[{}]");
    private static final Map<String, Method> METHODS = methods();

    private Methods() {}

    /// The method of this name, or null if str has none that a template needs.
    static @Nullable Invocable ofString(Rendering rendering, String text, String name) {
        if (name.equals("format")) {
            return arguments -> format(rendering, text, arguments);
        }
        var method = METHODS.get(name);
        if (method == null) {
            return null;
        }
        return arguments -> {
            var callee = "str." + name;
            var bound = TAKE_NAMES.contains(name)
                    ? method.signature().bind(callee, arguments)
                    : method.signature().bindPositional(callee, arguments);
            rendering.budget().characters(text.length());
            return method.body().call(rendering, text, bound);
        };
    }

    private static Map<String, Method> methods() {
        var methods = new HashMap<String, Method>();
        addCutting(methods);
        addCasing(methods);
        addSearching(methods);
        return Map.copyOf(methods);
    }

    private static void add(Map<String, Method> methods, String name, String parameters, Body body) {
        methods.put(name, new Method(Signature.of(parameters), body));
    }

    private static void addCutting(Map<String, Method> methods) {
        add(methods, "strip", "chars?", (_, s, a) -> PythonText.strip(s, a.optionalText(0, "strip"), true, true));
        add(methods, "lstrip", "chars?", (_, s, a) -> PythonText.strip(s, a.optionalText(0, "lstrip"), true, false));
        add(methods, "rstrip", "chars?", (_, s, a) -> PythonText.strip(s, a.optionalText(0, "rstrip"), false, true));
        add(
                methods,
                "split",
                "sep? maxsplit?",
                (r, s, a) -> PythonText.split(r.budget(), s, a.optionalText(0, "split"), a.integer(1, -1)));
        add(methods, "splitlines", "keepends?", (r, s, a) -> PythonText.lines(r.budget(), s, a.isTrue(0)));
        add(methods, "join", "iterable", (r, s, a) -> joined(r, s, a.at(0)));
    }

    private static Object joined(Rendering rendering, String separator, Object items) {
        var joined = rendering.budget().text();
        var before = "";
        for (var item : Values.items(rendering.budget(), items)) {
            var text = Values.text(item);
            if (text == null) {
                throw new JinjaException("str.join needs items of type str, not " + Values.typeName(item));
            }
            joined.append(before).append(text);
            before = separator;
        }
        return joined.toString();
    }

    private static void addCasing(Map<String, Method> methods) {
        add(methods, "upper", "", (_, s, _) -> PythonText.upper(s));
        add(methods, "lower", "", (_, s, _) -> PythonText.lower(s));
        add(methods, "title", "", (_, s, _) -> PythonText.title(s));
        add(methods, "capitalize", "", (_, s, _) -> PythonText.capitalize(s));
    }

    private static void addSearching(Map<String, Method> methods) {
        add(
                methods,
                "startswith",
                "prefix start? end?",
                (r, s, a) -> matchesAny(within(r, s, a), a.at(0), "startswith", true));
        add(
                methods,
                "endswith",
                "suffix start? end?",
                (r, s, a) -> matchesAny(within(r, s, a), a.at(0), "endswith", false));
        add(
                methods,
                "replace",
                "old new count?",
                (r, s, a) -> PythonText.replace(
                        r.budget(), s, a.text(0, "replace"), a.text(1, "replace"), a.integer(2, -1)));
        add(methods, "find", "sub start? end?", (r, s, a) -> find(r, s, a));
    }

    private static String within(Rendering rendering, String text, Bound arguments) {
        if (arguments.at(1) == None.NONE && arguments.at(2) == None.NONE) {
            return text;
        }
        return PythonText.slice(rendering.budget(), text, arguments.at(1), arguments.at(2), None.NONE);
    }

    private static boolean matchesAny(String text, Object affixes, String method, boolean atStart) {
        var candidates = affixes instanceof Tuple tuple ? tuple.items() : List.of(affixes);
        for (var candidate : candidates) {
            var affix = Values.text(candidate);
            if (affix == null) {
                throw new JinjaException(method + " needs a str or a tuple of str, not " + Values.typeName(candidate));
            }
            if (atStart ? text.startsWith(affix) : text.endsWith(affix)) {
                return true;
            }
        }
        return false;
    }

    private static long find(Rendering rendering, String text, Bound arguments) {
        var searched = within(rendering, text, arguments);
        int found = PythonText.find(searched, arguments.text(0, "find"), 0);
        if (found < 0) {
            return -1;
        }
        long start = Range.ofSlice(arguments.at(1), None.NONE, None.NONE, PythonText.length(text))
                .start();
        return start + searched.codePointCount(0, found);
    }

    /// `str.format` with the fields `{}`, `{0}` and `{name}`. `{{` and `}}` stand for braces.
    private static String format(Rendering rendering, String format, Arguments arguments) {
        var out = rendering.budget().text();
        var field = FORMAT_FIELD.matcher(format);
        int copied = 0;
        int next = 0;
        while (field.find()) {
            rendering.budget().step();
            out.append(format, copied, field.start());
            copied = field.end();
            var name = field.group("name");
            if (name != null) {
                out.append(rendering.str(argument(arguments, name.isEmpty() ? Integer.toString(next++) : name)));
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

    /// The method of this name, or null if list has none that a template needs. All the others change the list.
    static @Nullable Object ofList(String name) {
        return switch (name) {
            case "append", "clear", "pop", "reverse", "insert", "sort", "extend", "remove" -> unsafe(name, "list");
            default -> null;
        };
    }

    /// The method of this name, or null if dict has none that a template needs.
    static @Nullable Object ofDict(Rendering rendering, Map<?, ?> dict, String name) {
        return switch (name) {
            case "get" ->
                (Invocable) arguments -> {
                    var bound = KEY.bindPositional("dict.get", arguments);
                    var value = dict.get(Values.key(bound.at(0)));
                    return value != null ? value : bound.at(1);
                };
            case "items" ->
                (Invocable) arguments -> {
                    walked(rendering, dict, name, arguments);
                    return DictView.items(dict);
                };
            case "keys" ->
                (Invocable) arguments -> {
                    walked(rendering, dict, name, arguments);
                    return DictView.keys(dict);
                };
            case "values" ->
                (Invocable) arguments -> {
                    walked(rendering, dict, name, arguments);
                    return DictView.values(dict);
                };
            case "clear", "pop", "popitem", "setdefault", "update" -> unsafe(name, "dict");
            default -> null;
        };
    }

    private static void walked(Rendering rendering, Map<?, ?> dict, String method, Arguments arguments) {
        Signature.EMPTY.bind("dict." + method, arguments);
        rendering.budget().steps(dict.size());
    }

    private static Undefined unsafe(String name, String type) {
        return new Undefined("access to attribute '" + name + "' of '" + type + "' object is unsafe.");
    }
}
