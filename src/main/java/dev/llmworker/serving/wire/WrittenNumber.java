package dev.llmworker.serving.wire;

/// A number of JSON that Java would write in another way, such as `1.10`, `1e400` or `-0`. It is written back character
/// by character, by [Json] and by every writer of Jackson.
public final class WrittenNumber extends Number {
    private static final long serialVersionUID = 1L;

    private final String text;

    /// @param text a number of JSON
    WrittenNumber(String text) {
        this.text = text;
    }

    @Override
    public int intValue() {
        return (int) doubleValue();
    }

    @Override
    public long longValue() {
        return (long) doubleValue();
    }

    @Override
    public float floatValue() {
        return Float.parseFloat(text);
    }

    /// Infinite if it is too large for a double.
    @Override
    public double doubleValue() {
        return Double.parseDouble(text);
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof WrittenNumber number && number.text.equals(text);
    }

    @Override
    public int hashCode() {
        return text.hashCode();
    }

    @Override
    public String toString() {
        return text;
    }
}
