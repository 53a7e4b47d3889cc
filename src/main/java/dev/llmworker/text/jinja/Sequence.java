package dev.llmworker.text.jinja;

import java.util.AbstractList;
import java.util.List;

/// A tuple, or the result of a dict's `keys()`, `values()` or `items()`. These have no index.
final class Sequence extends AbstractList<Object> {
    private final String kind;
    private final List<Object> items;

    /// @param kind Python's name of the type
    Sequence(String kind, List<Object> items) {
        this.kind = kind;
        this.items = items;
    }

    String kind() {
        return kind;
    }

    @Override
    public Object get(int index) {
        return items.get(index);
    }

    @Override
    public int size() {
        return items.size();
    }
}
