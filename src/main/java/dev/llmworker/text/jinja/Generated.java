package dev.llmworker.text.jinja;

import java.util.List;

/// A Python generator, as `map` and `select` give it: true, without length or index, and empty once it was walked.
final class Generated {
    private List<Object> items;

    Generated(List<Object> items) {
        this.items = items;
    }

    List<Object> drain() {
        var drained = items;
        items = List.of();
        return drained;
    }

    /// The first of what is left, which then is gone.
    Object next(Undefined whenEmpty) {
        if (items.isEmpty()) {
            return whenEmpty;
        }
        var first = items.getFirst();
        items = items.subList(1, items.size());
        return first;
    }
}
