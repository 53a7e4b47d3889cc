package dev.llmworker.text.jinja;

import java.util.concurrent.TimeUnit;

/// What one rendering may still use of its [JinjaLimits]. Threading: one thread, like the rendering.
final class Budget {
    private static final int TEXTS_OF_FULL_LENGTH = 64;
    private static final int CHARACTERS_SCANNED_AS_ONE_MADE = 16;
    /// So many steps or characters pass between two looks at the clock.
    private static final int WORK_BETWEEN_LOOKS = 4096;

    private final JinjaLimits limits;
    private final long startNanos = System.nanoTime();
    private long stepsLeft;
    private long charactersLeft;
    private long workSinceLook;
    private int depth;

    Budget(JinjaLimits limits) {
        this.limits = limits;
        this.stepsLeft = limits.steps();
        this.charactersLeft = (long) limits.characters() * TEXTS_OF_FULL_LENGTH;
    }

    void step() {
        steps(1);
    }

    void steps(long count) {
        stepsLeft -= count;
        if (stepsLeft < 0) {
            throw tooMuch("rendering takes more than " + limits.steps() + " steps, the limit");
        }
        work(count);
    }

    /// Counts the characters of a text that is made, copied or searched.
    void characters(long count) {
        charactersLeft -= count;
        if (charactersLeft < 0) {
            throw JinjaException.limit(
                    JinjaException.Kind.TOO_LONG,
                    "rendering makes texts of more than " + (long) limits.characters() * TEXTS_OF_FULL_LENGTH
                            + " characters together, the limit");
        }
        work(count);
    }

    /// Counts a text that is only scanned, for example for its length. This is cheaper.
    void scan(long count) {
        characters(count / CHARACTERS_SCANNED_AS_ONE_MADE);
    }

    private void work(long count) {
        workSinceLook += count;
        if (workSinceLook < WORK_BETWEEN_LOOKS) {
            return;
        }
        workSinceLook = 0;
        if (System.nanoTime() - startNanos > TimeUnit.MILLISECONDS.toNanos(limits.millis())) {
            throw tooMuch("rendering takes more than " + limits.millis() + " ms, the limit");
        }
        if (Thread.currentThread().isInterrupted()) {
            throw tooMuch("rendering was interrupted");
        }
    }

    private static JinjaException tooMuch(String reason) {
        return JinjaException.limit(JinjaException.Kind.TOO_MUCH_WORK, reason);
    }

    /// Refuses a text that would be too long.
    void fits(long length) {
        if (length > limits.characters()) {
            throw JinjaException.limit(
                    JinjaException.Kind.TOO_LONG,
                    "a text would have " + length + " characters; the limit is " + limits.characters());
        }
    }

    /// Enters a nested level; [#leave()] leaves it. After an exception the budget is not used again.
    void enter() {
        if (++depth > limits.depth()) {
            throw tooMuch("nested deeper than " + limits.depth() + " levels, the limit");
        }
    }

    void leave() {
        depth--;
    }

    Text text() {
        return new Text(this);
    }

    /// A text builder that stays within the budget.
    static final class Text {
        private final Budget budget;
        private final StringBuilder characters = new StringBuilder();

        private Text(Budget budget) {
            this.budget = budget;
        }

        Text append(String more) {
            return append(more, 0, more.length());
        }

        Text append(String more, int start, int end) {
            reserve(end - start);
            characters.append(more, start, end);
            return this;
        }

        /// Appends a text `times` times. As in Python, a number below 1 appends nothing.
        Text repeat(String piece, long times) {
            if (times > 0 && !piece.isEmpty()) {
                // Both factors are checked first, so that the product cannot overflow.
                budget.fits(times);
                reserve(times * piece.length());
                characters.repeat(piece, (int) times);
            }
            return this;
        }

        private void reserve(long length) {
            budget.fits(characters.length() + length);
            budget.characters(length);
        }

        @Override
        public String toString() {
            return characters.toString();
        }
    }
}
