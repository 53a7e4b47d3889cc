package dev.llmworker.weights;

import java.util.Optional;

/// Refuses expressions whose matching may go through many ways without reading a character, which nothing could
/// count: repetitions of what may be empty, and choices between what may be empty. Of Java's syntax it takes what
/// names need.
final class PatternShape {
    private static final String REPEATED = "repeats what may be empty";
    private static final String CHOSEN = "has several alternatives that may be empty";
    private static final String UNKNOWN = "is no valid expression, or not supported";
    private static final String READING_ESCAPES = "dDwWsS";
    private static final String EMPTY_ESCAPES = "bBAzZ";
    private static final int MOST_DIGITS = 10;

    private final String expression;
    private int at;

    private PatternShape(String expression) {
        this.expression = expression;
    }

    /// @return what is wrong with it: `repeats what may be empty`
    static Optional<String> problem(String expression) {
        try {
            var shape = new PatternShape(expression);
            shape.alternatives();
            return shape.at < expression.length() ? Optional.of(UNKNOWN) : Optional.empty();
        } catch (Refused refused) {
            return Optional.ofNullable(refused.getMessage());
        }
    }

    /// @return whether it may be empty, as of all below
    private boolean alternatives() {
        var empty = 0;
        do {
            if (sequence() && ++empty > 1) {
                throw new Refused(CHOSEN);
            }
        } while (take("|"));
        return empty > 0;
    }

    private boolean sequence() {
        var isEmpty = true;
        while (at < expression.length() && expression.charAt(at) != '|' && expression.charAt(at) != ')') {
            var atom = atom();
            if (at < expression.length() && "*+?{".indexOf(expression.charAt(at)) >= 0) {
                if (atom) {
                    throw new Refused(REPEATED);
                }
                atom = repetition();
            }
            isEmpty &= atom;
        }
        return isEmpty;
    }

    private boolean repetition() {
        var sign = next();
        var isEmpty = sign == '*' || sign == '?';
        if (sign == '{') {
            var end = expression.indexOf('}', at);
            var counts = end < 0 ? "" : expression.substring(at, end);
            if (!counts.matches("\\d{1," + MOST_DIGITS + "}(,\\d{0," + MOST_DIGITS + "})?")) {
                throw new Refused(UNKNOWN);
            }
            isEmpty = counts.matches("0+(,.*)?");
            at = end + 1;
        }
        if (!take("?")) {
            take("+");
        }
        return isEmpty;
    }

    private boolean atom() {
        var first = next();
        return switch (first) {
            case '(' -> group();
            case '[' -> {
                characters();
                yield false;
            }
            case '^', '$' -> true;
            case '\\' -> escape();
            case '*', '+', '?', '{' -> throw new Refused(UNKNOWN);
            default -> false;
        };
    }

    private boolean group() {
        var isLook = take("?=") || take("?!") || take("?<=") || take("?<!");
        if (!isLook && take("?<")) {
            while (Character.isLetterOrDigit(next())) {}
        } else if (!isLook && take("?i)")) {
            return true;
        } else if (!isLook && !take("?:") && take("?")) {
            throw new Refused(UNKNOWN);
        }
        var isEmpty = alternatives();
        if (!take(")")) {
            throw new Refused(UNKNOWN);
        }
        return isLook || isEmpty;
    }

    private boolean escape() {
        var escaped = next();
        if (EMPTY_ESCAPES.indexOf(escaped) >= 0) {
            return true;
        }
        if (READING_ESCAPES.indexOf(escaped) < 0 && Character.isLetterOrDigit(escaped)) {
            throw new Refused(UNKNOWN);
        }
        return false;
    }

    private void characters() {
        take("^");
        var isFirst = true;
        for (var character = next(); character != ']' || isFirst; character = next()) {
            if (character == '\\') {
                escape();
            } else if ("[]&".indexOf(character) >= 0) {
                throw new Refused(UNKNOWN);
            }
            isFirst = false;
        }
    }

    private char next() {
        if (at == expression.length()) {
            throw new Refused(UNKNOWN);
        }
        return expression.charAt(at++);
    }

    private boolean take(String part) {
        var isNext = expression.startsWith(part, at);
        at += isNext ? part.length() : 0;
        return isNext;
    }

    private static final class Refused extends RuntimeException {
        private static final long serialVersionUID = 1;

        Refused(String problem) {
            super(problem, null, false, false);
        }
    }
}
