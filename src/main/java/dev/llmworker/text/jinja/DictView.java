package dev.llmworker.text.jinja;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/// What `keys()`, `values()` and `items()` of a dict give: it has a length and can be walked any number of times, but
/// has no index.
record DictView(String kind, List<Object> items) {
    static DictView keys(Map<?, ?> dict) {
        return new DictView("dict_keys", List.copyOf(dict.keySet()));
    }

    static DictView values(Map<?, ?> dict) {
        return new DictView("dict_values", List.copyOf(dict.values()));
    }

    static DictView items(Map<?, ?> dict) {
        var items = new ArrayList<Object>(dict.size());
        dict.forEach((key, value) -> items.add(Tuple.of(key, value)));
        return new DictView("dict_items", items);
    }
}
