package dev.llmworker.text.jinja;

import java.util.HashMap;
import java.util.Map;

/// The filters by name.
final class Filters {
    /// A filter's work, with its arguments bound.
    @FunctionalInterface
    interface Body {
        Object apply(Rendering rendering, Object value, Bound arguments);
    }

    /// A filter that takes any arguments, for another filter or a test.
    @FunctionalInterface
    interface OpenBody {
        Object apply(Rendering rendering, Object value, Arguments arguments);
    }

    /// What the groups of filters add themselves to.
    static final class Table {
        private final Map<String, OpenBody> filters = new HashMap<>();

        void add(String name, String parameters, Body body) {
            var signature = Signature.of(parameters);
            addOpen(
                    name,
                    (rendering, value, arguments) ->
                            body.apply(rendering, value, signature.bind("the filter " + name, arguments)));
        }

        void addOpen(String name, OpenBody body) {
            filters.put(name, body);
        }
    }

    private static final Map<String, OpenBody> FILTERS = filters();

    private Filters() {}

    static boolean isFilter(String name) {
        return FILTERS.containsKey(name);
    }

    static Object apply(Rendering rendering, String name, Object value, Arguments arguments) {
        var filter = FILTERS.get(name);
        if (filter == null) {
            throw new JinjaException("No filter named '" + name + "'");
        }
        rendering.budget().step();
        return filter.apply(rendering, value, arguments);
    }

    private static Map<String, OpenBody> filters() {
        var table = new Table();
        TextFilters.addTo(table);
        ValueFilters.addTo(table);
        SequenceFilters.addTo(table);
        SelectingFilters.addTo(table);
        return Map.copyOf(table.filters);
    }
}
