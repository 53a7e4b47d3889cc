package dev.llmworker.text.jinja;

import java.util.ArrayList;
import java.util.List;
import java.util.function.Predicate;

/// Filters that apply another filter or a test to each item.
final class SelectingFilters {
    private SelectingFilters() {}

    static void addTo(Filters.Table table) {
        table.addOpen("map", SelectingFilters::map);
        table.addOpen("select", (r, value, a) -> selected(r, value, test(r, "select", a), true));
        table.addOpen("reject", (r, value, a) -> selected(r, value, test(r, "reject", a), false));
        table.addOpen("selectattr", (r, value, a) -> selected(r, value, attributeTest(r, "selectattr", a), true));
        table.addOpen("rejectattr", (r, value, a) -> selected(r, value, attributeTest(r, "rejectattr", a), false));
    }

    private static Object map(Rendering rendering, Object value, Arguments arguments) {
        var mapped = new ArrayList<Object>();
        if (!Values.isTrue(value)) {
            return new Generated(mapped);
        }
        if (arguments.positional().isEmpty() && arguments.named().containsKey("attribute")) {
            var bound = Signature.of("attribute default?").bind("the filter map", arguments);
            var lookup = Lookup.of(bound.at(0), bound.at(1));
            Values.items(rendering.budget(), value).forEach(item -> mapped.add(lookup.in(rendering, item)));
            return new Generated(mapped);
        }
        if (arguments.positional().isEmpty()) {
            throw new JinjaException("map requires a filter argument");
        }
        var name = rendering.str(arguments.positional().getFirst());
        for (var item : Values.items(rendering.budget(), value)) {
            mapped.add(Filters.apply(rendering, name, item, arguments.rest()));
        }
        return new Generated(mapped);
    }

    private static Predicate<Object> test(Rendering rendering, String filter, Arguments arguments) {
        if (arguments.positional().isEmpty()) {
            Signature.EMPTY.bind("the filter " + filter, arguments);
            return Values::isTrue;
        }
        var name = rendering.str(arguments.positional().getFirst());
        var rest = arguments.rest();
        return item -> Tests.holds(rendering, name, item, rest);
    }

    private static Predicate<Object> attributeTest(Rendering rendering, String filter, Arguments arguments) {
        if (arguments.positional().isEmpty()) {
            throw new JinjaException("Missing parameter for attribute name");
        }
        var lookup = Lookup.of(arguments.positional().getFirst(), None.NONE);
        var test = test(rendering, filter, arguments.rest());
        return item -> test.test(lookup.in(rendering, item));
    }

    private static Object selected(Rendering rendering, Object value, Predicate<Object> test, boolean wanted) {
        List<Object> items = Values.isTrue(value) ? Values.items(rendering.budget(), value) : List.of();
        var selected = new ArrayList<Object>();
        for (var item : items) {
            if (test.test(item) == wanted) {
                selected.add(item);
            }
        }
        return new Generated(selected);
    }
}
