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
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/// The methods of str, list and dict. Methods that change a list or dict are refused, as in jinja2's immutable sandbox.
final class Methods {
    /// A method's work on its text, with its arguments bound.
    @FunctionalInterface
    private interface Body {
        Object call(Rendering rendering, String text, Bound arguments);
    }

    private record Method(Signature signature, Body body) {}

    private static final Set<String> TAKE_NAMES = Set.of("split", "rsplit", "splitlines");
    private static final Map<String, Method> METHODS = methods();

    private Methods() {}

    /// The method of this name; null if str has none, or none that a template needs.
    static @Nullable Invocable ofString(Rendering rendering, String text, String name) {
        if (name.equals("format")) {
            return arguments -> StringFormat.format(rendering, text, arguments);
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
        addPadding(methods);
        return Map.copyOf(methods);
    }

    private static void add(Map<String, Method> methods, String name, String parameters, Body body) {
        methods.put(name, new Method(Signature.of(parameters), body));
    }

    private static void addCutting(Map<String, Method> methods) {
        add(methods, "strip", "chars?", (_, s, a) -> PythonText.strip(s, a.optionalText(0, "strip"), true, true));
        add(methods, "lstrip", "chars?", (_, s, a) -> PythonText.strip(s, a.optionalText(0, "lstrip"), true, false));
        add(methods, "rstrip", "chars?", (_, s, a) -> PythonText.strip(s, a.optionalText(0, "rstrip"), false, true));
        add(methods, "removeprefix", "prefix", (_, s, a) -> {
            var prefix = a.text(0, "removeprefix");
            return s.startsWith(prefix) ? s.substring(prefix.length()) : s;
        });
        add(methods, "removesuffix", "suffix", (_, s, a) -> {
            var suffix = a.text(0, "removesuffix");
            return s.endsWith(suffix) ? s.substring(0, s.length() - suffix.length()) : s;
        });
        add(
                methods,
                "split",
                "sep? maxsplit?",
                (r, s, a) -> PythonText.split(r.budget(), s, a.optionalText(0, "split"), a.integer(1, -1)));
        add(
                methods,
                "rsplit",
                "sep? maxsplit?",
                (r, s, a) -> PythonText.splitFromRight(r.budget(), s, a.optionalText(0, "rsplit"), a.integer(1, -1)));
        add(methods, "splitlines", "keepends?", (r, s, a) -> PythonText.lines(r.budget(), s, a.isTrue(0)));
        add(methods, "partition", "sep", (_, s, a) -> PythonText.partition(s, a.text(0, "partition"), false));
        add(methods, "rpartition", "sep", (_, s, a) -> PythonText.partition(s, a.text(0, "rpartition"), true));
        add(methods, "join", "iterable", (r, s, a) -> joined(r, s, a.at(0)));
    }

    private static Object joined(Rendering rendering, String separator, Object items) {
        var joined = rendering.budget().text();
        var before = "";
        for (var item : Values.items(rendering.budget(), items)) {
            var text = Values.text(item);
            if (text == null) {
                throw new JinjaException("str.join wants texts only; there is a value of " + Values.typeName(item));
            }
            joined.append(before).append(text);
            before = separator;
        }
        return joined.toString();
    }

    private static void addCasing(Map<String, Method> methods) {
        add(methods, "upper", "", (_, s, _) -> PythonText.upper(s));
        add(methods, "lower", "", (_, s, _) -> PythonText.lower(s));
        add(methods, "casefold", "", (_, s, _) -> PythonText.lower(PythonText.upper(s)));
        add(methods, "title", "", (_, s, _) -> PythonText.title(s));
        add(methods, "capitalize", "", (_, s, _) -> PythonText.capitalize(s));
        add(methods, "swapcase", "", (_, s, _) -> PythonText.swapCase(s));
        add(methods, "isupper", "", (_, s, _) -> PythonText.isUpper(s));
        add(methods, "islower", "", (_, s, _) -> PythonText.isLower(s));
        add(methods, "isspace", "", (_, s, _) -> PythonText.isSpace(s));
        add(methods, "isdigit", "", (_, s, _) -> PythonText.all(s, Character::isDigit));
        add(methods, "isdecimal", "", (_, s, _) -> PythonText.all(s, Character::isDigit));
        add(methods, "isnumeric", "", (_, s, _) -> PythonText.all(s, PythonText::isNumeric));
        add(methods, "isalpha", "", (_, s, _) -> PythonText.all(s, Character::isLetter));
        add(
                methods,
                "isalnum",
                "",
                (_, s, _) -> PythonText.all(s, c -> Character.isLetter(c) || PythonText.isNumeric(c)));
        add(methods, "isascii", "", (_, s, _) -> s.chars().allMatch(c -> c < 0x80));
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
        add(methods, "count", "sub start? end?", (r, s, a) ->
                (long) PythonText.count(within(r, s, a), a.text(0, "count")));
        add(methods, "find", "sub start? end?", (r, s, a) -> found(r, s, a, "find", false));
        add(methods, "rfind", "sub start? end?", (r, s, a) -> found(r, s, a, "rfind", true));
        add(methods, "index", "sub start? end?", (r, s, a) -> required(found(r, s, a, "index", false)));
        add(methods, "rindex", "sub start? end?", (r, s, a) -> required(found(r, s, a, "rindex", true)));
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
                throw new JinjaException(method + " wants a str or a tuple of str, not " + Values.typeName(candidate));
            }
            if (atStart ? text.startsWith(affix) : text.endsWith(affix)) {
                return true;
            }
        }
        return false;
    }

    private static long found(Rendering rendering, String text, Bound arguments, String method, boolean last) {
        var searched = within(rendering, text, arguments);
        var needle = arguments.text(0, method);
        int found = last ? PythonText.findLast(searched, needle) : PythonText.find(searched, needle, 0);
        if (found < 0) {
            return -1;
        }
        long start = Range.ofSlice(arguments.at(1), None.NONE, None.NONE, PythonText.length(text))
                .start();
        return start + searched.codePointCount(0, found);
    }

    private static Object required(long found) {
        if (found < 0) {
            throw new JinjaException("substring not found");
        }
        return found;
    }

    private static void addPadding(Map<String, Method> methods) {
        add(methods, "center", "width fillchar?", (r, s, a) -> padded(r, s, a, 'c'));
        add(methods, "ljust", "width fillchar?", (r, s, a) -> padded(r, s, a, '<'));
        add(methods, "rjust", "width fillchar?", (r, s, a) -> padded(r, s, a, '>'));
        add(methods, "zfill", "width", (r, s, a) -> {
            boolean signed = s.startsWith("-") || s.startsWith("+");
            long zeros = a.integer(0, 0) - PythonText.length(s);
            return r.budget()
                    .text()
                    .append(s, 0, signed ? 1 : 0)
                    .repeat("0", zeros)
                    .append(s, signed ? 1 : 0, s.length())
                    .toString();
        });
    }

    private static Object padded(Rendering rendering, String text, Bound arguments, char align) {
        var fill = arguments.at(1) == None.NONE ? " " : arguments.text(1, "this method");
        if (PythonText.length(fill) != 1) {
            throw new JinjaException("The fill character must be exactly one character long");
        }
        return Padding.pad(rendering.budget(), text, arguments.integer(0, 0), fill, align);
    }

    private static final Signature VALUE = Signature.of("value");
    private static final Signature KEY = Signature.of("key default?");

    static @Nullable Object ofList(Rendering rendering, List<Object> items, String type, String name) {
        return switch (name) {
            case "count" -> (Invocable) arguments -> count(rendering, items, only(arguments, type + ".count"));
            case "index" -> (Invocable) arguments -> index(rendering, items, only(arguments, type + ".index"));
            case "copy" -> type.equals("list") ? (Invocable) _ -> items : null;
            case "append", "clear", "pop", "reverse", "insert", "sort", "extend", "remove" ->
                type.equals("list") ? unsafe(name, type) : null;
            default -> null;
        };
    }

    private static Object only(Arguments arguments, String callee) {
        return VALUE.bindPositional(callee, arguments).at(0);
    }

    private static Object count(Rendering rendering, List<Object> items, Object value) {
        rendering.budget().steps(items.size());
        return items.stream()
                .filter(item -> rendering.comparisons().equal(item, value))
                .count();
    }

    private static Object index(Rendering rendering, List<Object> items, Object value) {
        rendering.budget().steps(items.size());
        for (int i = 0; i < items.size(); i++) {
            if (rendering.comparisons().equal(items.get(i), value)) {
                return (long) i;
            }
        }
        throw new JinjaException("the value is not in the list");
    }

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
            case "copy" ->
                (Invocable) arguments -> {
                    walked(rendering, dict, name, arguments);
                    return new LinkedHashMap<Object, Object>(dict);
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
