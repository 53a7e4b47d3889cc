package dev.llmworker.text.jinja;

import org.jspecify.annotations.Nullable;

/// Arguments in the order of a [Signature].
final class Bound {
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

    /// A text; anything else is an error that names the callee.
    String text(int index, String callee) {
        var value = at(index);
        var text = Values.text(value);
        if (text == null) {
            throw new JinjaException(callee + " wants a str, not " + Values.typeName(value));
        }
        return text;
    }

    /// A text, or null for None or left out.
    @Nullable
    String optionalText(int index, String callee) {
        return at(index) == None.NONE ? null : text(index, callee);
    }
}
