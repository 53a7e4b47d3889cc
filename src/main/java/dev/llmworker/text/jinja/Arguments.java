package dev.llmworker.text.jinja;

import dev.llmworker.text.jinja.Values.None;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// The evaluated arguments of a call, and how a built-in function binds them to its parameters.
record Arguments(List<Object> positional, Map<String, Object> named) {
    static final Arguments NONE = new Arguments(List.of(), Map.of());

    /// These arguments without the first positional one.
    Arguments rest() {
        return new Arguments(positional.subList(1, positional.size()), named);
    }

    /// The parameters of a built-in function, in the order of its positional arguments.
    ///
    /// @param required how many of the names, from the first, must be given
    record Signature(int required, List<String> names) {
        static final Signature EMPTY = new Signature(0, List.of());

        /// Reads a text such as `old new count?`. A `?` marks an optional parameter.
        static Signature of(String parameters) {
            if (parameters.isEmpty()) {
                return EMPTY;
            }
            var names = new ArrayList<String>();
            int required = 0;
            for (var parameter : parameters.split(" ", -1)) {
                if (parameter.endsWith("?")) {
                    names.add(parameter.substring(0, parameter.length() - 1));
                } else {
                    names.add(parameter);
                    required = names.size();
                }
            }
            return new Signature(required, List.copyOf(names));
        }

        /// Like [#bind], for Python's methods that take no keyword arguments.
        Bound bindPositional(String callee, Arguments arguments) {
            if (!arguments.named().isEmpty()) {
                throw new JinjaException(callee + " takes no keyword arguments");
            }
            return bind(callee, arguments);
        }

        Bound bind(String callee, Arguments arguments) {
            int positional = arguments.positional().size();
            if (positional > names.size()) {
                throw new JinjaException(callee + " takes at most " + names.size() + " arguments, not " + positional);
            }
            var values = new Object[names.size()];
            for (int i = 0; i < positional; i++) {
                values[i] = arguments.positional().get(i);
            }
            arguments.named().forEach((name, value) -> {
                int index = names.indexOf(name);
                if (index < 0) {
                    throw new JinjaException(callee + " has no parameter '" + name + "'");
                }
                if (values[index] != null) {
                    throw new JinjaException(callee + " has two values for '" + name + "'");
                }
                values[index] = value;
            });
            for (int i = 0; i < required; i++) {
                if (values[i] == null) {
                    throw new JinjaException(callee + " lacks its argument '" + names.get(i) + "'");
                }
            }
            return new Bound(values);
        }
    }

    /// Arguments in the order of a [Signature].
    static final class Bound {
        private final @Nullable Object[] values;

        Bound(@Nullable Object[] values) {
            this.values = values;
        }

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

        /// The argument as a text. Any other type is an error that names the callee.
        String text(int index, String callee) {
            var value = at(index);
            var text = Values.text(value);
            if (text == null) {
                throw new JinjaException(callee + " needs a str, not " + Values.typeName(value));
            }
            return text;
        }

        /// The argument as a text, or null if it is None or was left out.
        @Nullable
        String optionalText(int index, String callee) {
            return at(index) == None.NONE ? null : text(index, callee);
        }
    }
}
