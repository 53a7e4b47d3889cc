package dev.llmworker.text.jinja;

import java.util.List;

/// Python's tuple: like a list, and equal to none.
record Tuple(List<Object> items) {
    static Tuple of(Object... items) {
        return new Tuple(List.of(items));
    }
}
