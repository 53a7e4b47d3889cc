package dev.llmworker.text.answer;

/// Finds the end of a JSON object or list in a text that comes in pieces. Anything else has no end of its own.
final class JsonScanner {
    private int depth;
    private boolean isInString;
    private boolean isEscaped;
    private boolean isComplete;

    void add(char c) {
        if (isEscaped) {
            isEscaped = false;
        } else if (isInString) {
            isEscaped = c == '\\';
            isInString = c != '"';
        } else {
            switch (c) {
                case '"' -> isInString = true;
                case '{', '[' -> depth++;
                case '}', ']' -> isComplete = --depth == 0;
                default -> {}
            }
        }
    }

    boolean isInString() {
        return isInString;
    }

    boolean isComplete() {
        return isComplete;
    }
}
