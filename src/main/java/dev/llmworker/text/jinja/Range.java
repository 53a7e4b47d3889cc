package dev.llmworker.text.jinja;

import java.util.AbstractList;

/// Python's range. Its numbers are computed on access.
final class Range extends AbstractList<Object> {
    /// jinja2's sandbox has the same limit.
    private static final int MAX_LENGTH = 100_000;

    private final long start;
    private final long stop;
    private final long step;
    private final int length;

    /// @param step not 0
    private Range(long start, long stop, long step, int maxLength) {
        this.start = start;
        this.stop = stop;
        this.step = step;
        long length = length(start, stop, step);
        if (length > maxLength) {
            throw new JinjaException("range of " + length + " numbers; the limit is " + maxLength);
        }
        this.length = (int) length;
    }

    static Range of(long start, long stop, long step) {
        if (step == 0) {
            throw new JinjaException("range() arg 3 must not be zero");
        }
        return new Range(start, stop, step, MAX_LENGTH);
    }

    /// The indices of `[start:stop:step]` in a sequence of this length. None stands for an omitted bound.
    static Range ofSlice(Object start, Object stop, Object step, int length) {
        long stride = step == None.NONE ? 1 : Values.index(step, "slice indices");
        if (stride == 0) {
            throw new JinjaException("slice step cannot be zero");
        }
        long low = stride < 0 ? -1 : 0;
        long high = stride < 0 ? length - 1L : length;
        long first = start == None.NONE ? (stride < 0 ? high : low) : within(start, length, low, high);
        long last = stop == None.NONE ? (stride < 0 ? low : high) : within(stop, length, low, high);
        return new Range(first, last, stride, Integer.MAX_VALUE);
    }

    private static long within(Object index, int length, long low, long high) {
        long value = Values.index(index, "slice indices");
        return Math.clamp(value < 0 ? Math.max(value, -length - 1L) + length : value, low, high);
    }

    /// How many numbers it has. `Long.MAX_VALUE` stands for this many or more.
    private static long length(long start, long stop, long step) {
        try {
            return Math.max(0, Math.ceilDivExact(Math.subtractExact(stop, start), step));
        } catch (ArithmeticException e) {
            return Long.MAX_VALUE;
        }
    }

    /// The numbers at these indices.
    Range at(Range indices) {
        return new Range(start + indices.start * step, start + indices.stop * step, step * indices.step, MAX_LENGTH);
    }

    /// Whether it has this number. Takes the same time for every length.
    boolean has(Number number) {
        long value = number.longValue();
        return number.doubleValue() == value
                && (step > 0 ? value >= start && value < stop : value <= start && value > stop)
                && (value - start) % step == 0;
    }

    @Override
    public Long get(int index) {
        return start + index * step;
    }

    @Override
    public int size() {
        return length;
    }

    @Override
    public String toString() {
        return "range(" + start + ", " + stop + (step == 1 ? "" : ", " + step) + ")";
    }
}
