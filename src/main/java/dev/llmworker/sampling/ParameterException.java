package dev.llmworker.sampling;

/// Is thrown if a parameter is out of its bounds. The message has its name, its value and its limit.
public final class ParameterException extends IllegalArgumentException {
    private final String parameter;

    public ParameterException(String parameter, String message) {
        super(message);
        this.parameter = parameter;
    }

    /// The parameter's name in the request.
    public String parameter() {
        return parameter;
    }

    /// Rejects a value that is not from `low` to `high`; NaN is rejected too.
    static void check(String name, float value, float low, float high) {
        if (!(value >= low && value <= high)) {
            var range = low == Float.MIN_VALUE ? "above 0 and at most " + high : "from " + low + " to " + high;
            throw new ParameterException(name, name + " is " + value + "; it must be " + range);
        }
    }
}
