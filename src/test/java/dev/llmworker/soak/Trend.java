package dev.llmworker.soak;

import java.util.List;
import java.util.function.ToLongFunction;

/// How the figures of a process change in a soak.
record Trend(List<WorkerUnderTest.Sample> samples, Findings findings) {
    /// The median of the last third is not above that of the first.
    ///
    /// @param factor what a difference may be
    /// @param more what may be added to that
    void isFlat(String what, ToLongFunction<WorkerUnderTest.Sample> figure, double factor, long more) {
        var third = samples.size() / 3;
        var first = median(samples.subList(0, third), figure);
        var middle = median(samples.subList(third, samples.size() - third), figure);
        var last = median(samples.subList(samples.size() - third, samples.size()), figure);
        findings.check(
                last <= first * factor + more,
                what + ": median " + first + " in the first third, " + middle + " in the second, " + last
                        + " in the last, " + samples.size() + " samples");
    }

    private static long median(List<WorkerUnderTest.Sample> samples, ToLongFunction<WorkerUnderTest.Sample> figure) {
        var sorted = samples.stream().mapToLong(figure).sorted().toArray();
        return sorted.length == 0 ? 0 : sorted[sorted.length / 2];
    }
}
