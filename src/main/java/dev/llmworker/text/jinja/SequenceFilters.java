package dev.llmworker.text.jinja;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.function.Function;

/// Filters that order, cut and sum up collections.
final class SequenceFilters {
    private SequenceFilters() {}

    static void addTo(Filters.Table table) {
        table.add("list", "", (r, value, _) -> List.copyOf(items(r, value)));
        table.add("first", "", (r, value, _) -> first(r, value));
        table.add("last", "", (r, value, _) -> {
            var items = reversible(r, value);
            return items.isEmpty() ? new Undefined("No last item, sequence was empty.") : items.getLast();
        });
        table.add("reverse", "", SequenceFilters::reverse);
        table.add("items", "", (r, value, _) -> pairs(r, value));
        table.add("dictsort", "case_sensitive? by? reverse?", SequenceFilters::dictSort);
        table.add("sort", "reverse? case_sensitive? attribute?", SequenceFilters::sort);
        table.add("unique", "case_sensitive? attribute?", SequenceFilters::unique);
        table.add("min", "case_sensitive? attribute?", (r, value, a) -> extreme(r, value, a, -1));
        table.add("max", "case_sensitive? attribute?", (r, value, a) -> extreme(r, value, a, 1));
        table.add("sum", "attribute? start?", SequenceFilters::sum);
        table.add("batch", "linecount fill_with?", SequenceFilters::batch);
        table.add("slice", "slices fill_with?", SequenceFilters::slice);
    }

    private static List<Object> items(Rendering rendering, Object value) {
        return Values.items(rendering.budget(), value);
    }

    private static Object first(Rendering rendering, Object value) {
        var empty = new Undefined("No first item, sequence was empty.");
        if (value instanceof Generated generated) {
            return generated.next(empty);
        }
        var items = items(rendering, value);
        return items.isEmpty() ? empty : items.getFirst();
    }

    private static List<Object> reversible(Rendering rendering, Object value) {
        if (value instanceof Generated) {
            throw new JinjaException("'generator' object is not reversible");
        }
        return items(rendering, value);
    }

    private static Object reverse(Rendering rendering, Object value, Bound arguments) {
        if (value instanceof String text) {
            return PythonText.slice(rendering.budget(), text, None.NONE, None.NONE, -1L);
        }
        var reversed = List.copyOf(items(rendering, value)).reversed();
        // reversed() gives an iterator; what has no order from the back comes as a list.
        return value instanceof Generated ? reversed : new Generated(reversed);
    }

    private static Object pairs(Rendering rendering, Object value) {
        if (value instanceof Undefined) {
            return new Generated(List.of());
        }
        return new Generated(DictView.items(dict(rendering, value)).items());
    }

    private static Map<?, ?> dict(Rendering rendering, Object value) {
        if (!(value instanceof Map<?, ?> map)) {
            if (value instanceof Undefined undefined) {
                throw undefined.exception();
            }
            throw new JinjaException("Can only get item pairs from a mapping.");
        }
        rendering.budget().steps(map.size());
        return map;
    }

    private static Object dictSort(Rendering rendering, Object value, Bound arguments) {
        int position = switch (rendering.str(arguments.at(1, "key"))) {
            case "key" -> 0;
            case "value" -> 1;
            default -> throw new JinjaException("You can only sort by either \"key\" or \"value\"");
        };
        var lookup = new Lookup(List.of((long) position), None.NONE);
        boolean caseSensitive = arguments.isTrue(0);
        var pairs = DictView.items(dict(rendering, value)).items();
        return sorted(rendering, pairs, arguments.isTrue(2), pair -> lookup.key(rendering, pair, caseSensitive));
    }

    private static Object sort(Rendering rendering, Object value, Bound arguments) {
        var lookups = Lookup.listOf(arguments.at(2));
        boolean caseSensitive = arguments.isTrue(1);
        return sorted(rendering, items(rendering, value), arguments.isTrue(0), item -> {
            var keys = new ArrayList<Object>(lookups.size());
            lookups.forEach(lookup -> keys.add(lookup.key(rendering, item, caseSensitive)));
            return keys;
        });
    }

    private static List<Object> sorted(
            Rendering rendering, List<Object> items, boolean reverse, Function<Object, Object> key) {
        record Keyed(Object key, Object item) {}
        var keyed = new ArrayList<Keyed>(items.size());
        items.forEach(item -> keyed.add(new Keyed(key.apply(item), item)));
        // Equal items keep their order, also when the rest is reversed.
        var order = Comparator.comparing(Keyed::key, rendering.comparisons().order());
        try {
            keyed.sort(reverse ? order.reversed() : order);
        } catch (IllegalArgumentException e) {
            throw new JinjaException("the items have no order: one is not a number");
        }
        var sorted = new ArrayList<Object>(items.size());
        keyed.forEach(entry -> sorted.add(entry.item()));
        return sorted;
    }

    private static Object unique(Rendering rendering, Object value, Bound arguments) {
        var lookup = Lookup.of(arguments.at(1), None.NONE);
        var seen = new HashSet<Object>();
        var unique = new ArrayList<Object>();
        for (var item : items(rendering, value)) {
            if (seen.add(identity(lookup.key(rendering, item, arguments.isTrue(0))))) {
                unique.add(item);
            }
        }
        return new Generated(unique);
    }

    /// Equal for what Python holds to be equal, also true, 1 and 1.0.
    private static Object identity(Object value) {
        return switch (Values.key(value)) {
            case Boolean bool -> bool ? 1L : 0L;
            case Double number when number == Math.rint(number) && Math.abs(number) < 1L << 53 -> number.longValue();
            case Object key -> key;
        };
    }

    private static Object extreme(Rendering rendering, Object value, Bound arguments, int direction) {
        var lookup = Lookup.of(arguments.at(1), None.NONE);
        var items = items(rendering, value);
        if (items.isEmpty()) {
            return new Undefined("No aggregated item, sequence was empty.");
        }
        var best = items.getFirst();
        var bestKey = lookup.key(rendering, best, arguments.isTrue(0));
        for (var item : items.subList(1, items.size())) {
            var key = lookup.key(rendering, item, arguments.isTrue(0));
            if (rendering.comparisons().compare(key, bestKey, direction < 0 ? "<" : ">") * direction > 0) {
                best = item;
                bestKey = key;
            }
        }
        return best;
    }

    private static Object sum(Rendering rendering, Object value, Bound arguments) {
        var lookup = Lookup.of(arguments.at(0), None.NONE);
        var sum = arguments.at(1, 0L);
        if (Values.text(sum) != null) {
            throw new JinjaException("sum() can't sum strings");
        }
        for (var item : items(rendering, value)) {
            sum = Arithmetic.apply(rendering, Arithmetic.Operator.ADD, sum, lookup.in(rendering, item));
        }
        return sum;
    }

    private static Object batch(Rendering rendering, Object value, Bound arguments) {
        long length = arguments.integer(0, 1);
        var fill = arguments.at(1);
        var batches = new ArrayList<Object>();
        var batch = new ArrayList<Object>();
        for (var item : items(rendering, value)) {
            if (batch.size() == length) {
                batches.add(batch);
                batch = new ArrayList<>();
            }
            batch.add(item);
        }
        while (!batch.isEmpty() && fill != None.NONE && batch.size() < length) {
            rendering.budget().step();
            batch.add(fill);
        }
        if (!batch.isEmpty()) {
            batches.add(batch);
        }
        return new Generated(batches);
    }

    private static Object slice(Rendering rendering, Object value, Bound arguments) {
        long slices = arguments.integer(0, 1);
        var items = items(rendering, value);
        if (slices == 0) {
            throw new JinjaException("division by zero");
        }
        var result = new ArrayList<Object>();
        long rest = Math.floorMod(items.size(), slices);
        int start = 0;
        for (long i = 0; i < slices; i++) {
            rendering.budget().step();
            int end = start + (int) (items.size() / slices) + (i < rest ? 1 : 0);
            var slice = new ArrayList<Object>(items.subList(start, end));
            if (arguments.at(1) != None.NONE && i >= rest) {
                slice.add(arguments.at(1));
            }
            result.add(slice);
            start = end;
        }
        return new Generated(result);
    }
}
