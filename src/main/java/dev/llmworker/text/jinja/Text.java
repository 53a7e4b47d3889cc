package dev.llmworker.text.jinja;

/// A text under construction that stays within the budget.
final class Text {
    private final Budget budget;
    private final StringBuilder characters = new StringBuilder();

    Text(Budget budget) {
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

    Text appendCodePoint(int codePoint) {
        reserve(Character.charCount(codePoint));
        characters.appendCodePoint(codePoint);
        return this;
    }

    /// Appends a text so many times; none or fewer appends nothing, as in Python.
    Text repeat(String piece, long times) {
        if (times > 0 && !piece.isEmpty()) {
            // Both factors are bounded first, so that the product does not overflow.
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
