package dev.llmworker.text.jinja;

import java.util.List;
import java.util.Map;

/// The evaluated arguments of a call.
record Arguments(List<Object> positional, Map<String, Object> named) {
    static final Arguments NONE = new Arguments(List.of(), Map.of());

    /// Without the first positional one.
    Arguments rest() {
        return new Arguments(positional.subList(1, positional.size()), named);
    }
}
