package dev.llmworker.text.jinja;

import java.time.Clock;

/// What filters, tests and functions know of the rendering that calls them.
///
/// @param clock what `strftime_now` reads, with its time zone
record Rendering(Budget budget, Comparisons comparisons, Clock clock) {
    Rendering(JinjaLimits limits, Clock clock) {
        this(new Budget(limits), clock);
    }

    private Rendering(Budget budget, Clock clock) {
        this(budget, new Comparisons(budget), clock);
    }

    String str(Object value) {
        return Printing.str(budget, value);
    }
}
