package dev.llmworker.stats;

/// A number of things in words, for logs and messages.
public final class Count {
    private Count() {}

    /// `1 slot`, `2 slots`.
    ///
    /// @param noun in the singular; its plural ends with s
    public static String of(long number, String noun) {
        return number + " " + noun + (number == 1 ? "" : "s");
    }
}
