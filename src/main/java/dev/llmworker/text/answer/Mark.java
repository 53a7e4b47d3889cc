package dev.llmworker.text.answer;

/// A text at which the parts of an answer change.
///
/// @param form which form of a call begins
/// @param isFirst whether it counts only as the first thing of an answer or a message
record Mark(Kind kind, String text, int form, boolean isFirst) {
    enum Kind {
        REASONING,
        CALL,
        /// It is no part of the answer.
        SKIPPED
    }
}
