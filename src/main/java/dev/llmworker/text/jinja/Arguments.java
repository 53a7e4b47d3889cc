package dev.llmworker.text.jinja;

import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// The evaluated arguments of a call.
record Arguments(List<Object> positional, Map<String, Object> named) {
    /// These arguments without the first positional one.
    Arguments rest() {
        return new Arguments(positional.subList(1, positional.size()), named);
    }

    /// Binds the arguments to the parameters of a built-in function.
    ///
    /// @param callee what errors call the function
    /// @param parameters the names, such as `old new count?`. A `?` marks an optional parameter. As in Python, a
    /// slash at the end says that no argument can be named.
    Bound bind(String callee, String parameters) {
        var names = parameters.isEmpty() ? List.<String>of() : List.of(parameters.split(" ", -1));
        boolean positionalOnly = !names.isEmpty() && names.getLast().equals("/");
        int count = positionalOnly ? names.size() - 1 : names.size();
        if (positional.size() > count) {
            throw new JinjaException(callee + " takes at most " + count + " arguments, not " + positional.size());
        }
        for (var name : named.keySet()) {
            if (positionalOnly || !names.contains(name) && !names.contains(name + "?")) {
                throw new JinjaException(callee + " has no parameter '" + name + "'");
            }
        }
        var values = new Object[count];
        for (int i = 0; i < count; i++) {
            var name = names.get(i).replace("?", "");
            var value = named.get(name);
            if (value != null && i < positional.size()) {
                throw new JinjaException(callee + " has two values for '" + name + "'");
            }
            values[i] = i < positional.size() ? positional.get(i) : value;
            if (values[i] == null && !names.get(i).endsWith("?")) {
                throw new JinjaException(callee + " lacks its argument '" + name + "'");
            }
        }
        return new Bound(callee, values);
    }

    /// Arguments in the order of a function's parameters.
    record Bound(String callee, @Nullable Object[] values) {
        Object at(int index) {
            return at(index, None.NONE);
        }

        Object at(int index, Object whenLeftOut) {
            var value = values[index];
            return value == null ? whenLeftOut : value;
        }

        boolean isTrue(int index) {
            return Values.isTrue(at(index, false));
        }

        long integer(int index, long whenLeftOut) {
            return Values.index(at(index, whenLeftOut), "this argument");
        }

        String text(int index) {
            return Values.text(at(index), callee);
        }

        /// The argument as a text, or null if it is None or was left out.
        @Nullable
        String optionalText(int index) {
            return at(index) == None.NONE ? null : text(index);
        }
    }
}
