package dev.llmworker.text.jinja;

import java.util.List;
import org.jspecify.annotations.Nullable;

/// The variable `loop` within a loop's body.
final class Loop {
    private final Comparisons comparisons;
    private final List<Object> items;
    private int index0 = -1;
    private @Nullable Object lastChanged;

    Loop(Comparisons comparisons, List<Object> items) {
        this.comparisons = comparisons;
        this.items = items;
    }

    /// The next item, or null at the end.
    @Nullable
    Object advance() {
        return ++index0 < items.size() ? items.get(index0) : null;
    }

    long index() {
        return index0 + 1L;
    }

    long length() {
        return items.size();
    }

    /// One of its attributes; null for a name that is none.
    @Nullable
    Object attribute(String name) {
        return switch (name) {
            case "index" -> index();
            case "index0" -> (long) index0;
            case "revindex" -> length() - index0;
            case "revindex0" -> length() - index();
            case "first" -> index0 == 0;
            case "last" -> index() == length();
            case "length" -> length();
            case "depth" -> 1L;
            case "depth0" -> 0L;
            case "previtem" -> index0 > 0 ? items.get(index0 - 1) : new Undefined("there is no previous item");
            case "nextitem" -> index() < length() ? items.get(index0 + 1) : new Undefined("there is no next item");
            case "cycle" -> (Invocable) this::cycle;
            case "changed" -> (Invocable) this::changed;
            default -> null;
        };
    }

    private Object cycle(Arguments arguments) {
        var choices = arguments.positional();
        if (choices.isEmpty()) {
            throw new JinjaException("no items for cycling given");
        }
        return choices.get(index0 % choices.size());
    }

    private Object changed(Arguments arguments) {
        var value = new Tuple(arguments.positional());
        if (lastChanged != null && comparisons.equal(lastChanged, value)) {
            return false;
        }
        lastChanged = value;
        return true;
    }
}
