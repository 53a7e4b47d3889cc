package dev.llmworker.text.jinja;

import java.util.List;
import org.jspecify.annotations.Nullable;

/// The variable `loop` in a loop's body.
final class Loop {
    private final List<Object> items;
    private int index0 = -1;

    Loop(List<Object> items) {
        this.items = items;
    }

    /// The next item, or null at the end.
    @Nullable
    Object advance() {
        return ++index0 < items.size() ? items.get(index0) : null;
    }

    long length() {
        return items.size();
    }

    /// The attribute of this name; null if there is none.
    @Nullable
    Object attribute(String name) {
        long index = index0 + 1L;
        return switch (name) {
            case "index" -> index;
            case "index0" -> index - 1;
            case "revindex" -> length() - index0;
            case "revindex0" -> length() - index;
            case "first" -> index0 == 0;
            case "last" -> index == length();
            case "length" -> length();
            case "previtem" -> index0 > 0 ? items.get(index0 - 1) : new Undefined("there is no previous item");
            case "nextitem" -> index < length() ? items.get(index0 + 1) : new Undefined("there is no next item");
            default -> null;
        };
    }

    @Override
    public String toString() {
        return "<LoopContext " + (index0 + 1) + "/" + length() + ">";
    }
}
