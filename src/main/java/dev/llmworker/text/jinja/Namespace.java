package dev.llmworker.text.jinja;

import java.util.LinkedHashMap;
import java.util.Map;

/// The only value that a template can change: `namespace(found=false)`, then `{% set ns.found = true %}`.
final class Namespace {
    private final Map<String, Object> attributes = new LinkedHashMap<>();

    Map<String, Object> attributes() {
        return attributes;
    }

    void set(String name, Object value) {
        if (name.startsWith("_")) {
            throw new JinjaException(
                    "a namespace has no attributes that begin with an underscore; this one is " + name);
        }
        attributes.put(name, value);
    }
}
