package dev.llmworker.text.jinja;

import java.util.ArrayList;
import java.util.List;

/// The attribute that filters such as `map(attribute='function.name')` take of each item.
///
/// @param path names and, where a part is digits, indices
record Lookup(List<Object> path, Object whenMissing) {
    /// The items themselves.
    static final Lookup IDENTITY = new Lookup(List.of(), None.NONE);

    /// @param attribute a dotted path, an index, or None for the item itself
    /// @param whenMissing what stands for a part that is undefined; None for nothing
    static Lookup of(Object attribute, Object whenMissing) {
        var text = Values.text(attribute);
        if (text == null) {
            return attribute == None.NONE ? IDENTITY : new Lookup(List.of(attribute), whenMissing);
        }
        var path = new ArrayList<Object>();
        for (var part : text.split("\\.", -1)) {
            boolean digits = Casing.all(part, Character::isDigit) && part.length() < 19;
            path.add(digits ? (Object) Long.parseLong(part) : part);
        }
        return new Lookup(path, whenMissing);
    }

    /// Several, for an attribute such as `type,name`.
    static List<Lookup> listOf(Object attribute) {
        var text = Values.text(attribute);
        if (text == null) {
            return List.of(of(attribute, None.NONE));
        }
        var lookups = new ArrayList<Lookup>();
        for (var part : text.split(",", -1)) {
            lookups.add(of(part, None.NONE));
        }
        return lookups;
    }

    Object in(Rendering rendering, Object item) {
        var found = item;
        for (var part : path) {
            rendering.budget().step();
            found = Subscripts.element(rendering, found, part);
            if (found instanceof Undefined && whenMissing != None.NONE) {
                found = whenMissing;
            }
        }
        return found;
    }

    /// As [#in], with texts in lower case unless case matters: what sorting and `unique` compare.
    Object key(Rendering rendering, Object item, boolean caseSensitive) {
        var found = in(rendering, item);
        var text = Values.text(found);
        if (text == null || caseSensitive) {
            return found;
        }
        rendering.budget().characters(text.length());
        return Casing.lower(text);
    }
}
