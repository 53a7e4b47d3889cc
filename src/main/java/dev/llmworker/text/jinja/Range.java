package dev.llmworker.text.jinja;

import java.util.AbstractList;
import java.util.List;

/// Python's range, also the indices that a slice selects.
///
/// @param step not 0
record Range(long start, long stop, long step) {
    /// As in jinja2's sandbox.
    static final int MAX_LENGTH = 100_000;

    static Range of(long start, long stop, long step) {
        if (step == 0) {
            throw new JinjaException("range() arg 3 must not be zero");
        }
        var range = new Range(start, stop, step);
        if (range.length() > MAX_LENGTH) {
            throw new JinjaException("range of " + range.length() + " numbers; the limit is " + MAX_LENGTH);
        }
        return range;
    }

    /// The indices of `[start:stop:step]` in a sequence of this length, by Python's rules; None stands for left out.
    static Range ofSlice(Object start, Object stop, Object step, int length) {
        long stride = step == None.NONE ? 1 : Values.index(step, "slice indices");
        if (stride == 0) {
            throw new JinjaException("slice step cannot be zero");
        }
        long low = stride < 0 ? -1 : 0;
        long high = stride < 0 ? length - 1L : length;
        long first = start == None.NONE ? (stride < 0 ? high : low) : within(start, length, low, high);
        long last = stop == None.NONE ? (stride < 0 ? low : high) : within(stop, length, low, high);
        return new Range(first, last, stride);
    }

    private static long within(Object index, int length, long low, long high) {
        long value = Values.index(index, "slice indices");
        return Math.clamp(value < 0 ? Math.max(value, -length - 1L) + length : value, low, high);
    }

    /// Numbers in it; `Long.MAX_VALUE` stands for more than that.
    long length() {
        if (step > 0 ? start >= stop : start <= stop) {
            return 0;
        }
        long distance = step > 0 ? stop - start : start - stop;
        if (distance < 0) {
            return Long.MAX_VALUE;
        }
        long stride = step == Long.MIN_VALUE ? Long.MAX_VALUE : Math.abs(step);
        return (distance - 1) / stride + 1;
    }

    /// The numbers, computed as they are asked for; at most 2³¹ − 1 of them.
    List<Object> items() {
        int length = Math.toIntExact(length());
        return new AbstractList<>() {
            @Override
            public Object get(int index) {
                return start + index * step;
            }

            @Override
            public int size() {
                return length;
            }
        };
    }
}
