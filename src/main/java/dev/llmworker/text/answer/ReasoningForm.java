package dev.llmworker.text.answer;

import java.util.function.UnaryOperator;

/// How a model writes what it thinks.
///
/// @param begin the marker before it
/// @param end the marker after it
/// @param after what is always written between the reasoning and the rest of the answer
/// @param repeats whether the model may think again later in its answer
public record ReasoningForm(String begin, String end, String after, boolean repeats) {
    ReasoningForm(String begin, String end) {
        this(begin, end, "", false);
    }

    ReasoningForm map(UnaryOperator<String> change) {
        return new ReasoningForm(change.apply(begin), change.apply(end), change.apply(after), repeats);
    }
}
