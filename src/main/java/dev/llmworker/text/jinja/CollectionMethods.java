package dev.llmworker.text.jinja;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// The methods of list, tuple and dict; those that would change one are refused, as in jinja2's immutable sandbox.
final class CollectionMethods {
    private static final Signature VALUE = Signature.of("value");
    private static final Signature KEY = Signature.of("key default?");

    private CollectionMethods() {}

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
