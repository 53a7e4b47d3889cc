package dev.llmworker.sampling;

import org.jspecify.annotations.Nullable;

/// Is thrown if a parameter is out of its bounds. The message has its name, its value and its limit.
public final class ParameterException extends IllegalArgumentException {
    private final String parameter;
    private final @Nullable String limit;

    public ParameterException(String parameter, String message) {
        super(message);
        this.parameter = parameter;
        this.limit = null;
    }

    /// @param limit what the value must be
    public ParameterException(String parameter, Number value, String limit) {
        super(parameter + " is " + value + "; it must be " + limit);
        this.parameter = parameter;
        this.limit = limit;
    }

    /// The parameter's name in the request.
    public String parameter() {
        return parameter;
    }

    /// What the value must be; null if the message says it in another way.
    public @Nullable String limit() {
        return limit;
    }

    /// Rejects a value that is not from `low` to `high`; NaN is rejected too.
    static void check(String name, float value, float low, float high) {
        if (!(value >= low && value <= high)) {
            var range = low == Float.MIN_VALUE ? "above 0 and at most " + high : "from " + low + " to " + high;
            throw new ParameterException(name, value, range);
        }
    }
}
