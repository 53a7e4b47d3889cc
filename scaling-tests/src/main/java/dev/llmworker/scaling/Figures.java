package dev.llmworker.scaling;

import java.util.Collection;
import java.util.Locale;
import java.util.TreeMap;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/// Percentiles of measured figures, and figures as people read them.
final class Figures {
    private Figures() {}

    /// Percentiles of milliseconds; NaN if nothing was measured.
    record Summary(int count, double p50, double p95, double p99, double max) {
        static Summary of(Collection<Double> millis) {
            return new Summary(
                    millis.size(),
                    median(millis),
                    percentile(millis, 95),
                    percentile(millis, 99),
                    percentile(millis, 100));
        }
    }

    /// The smallest figure that at least `percent` of all figures do not exceed; NaN if there are none.
    static double percentile(Collection<Double> figures, double percent) {
        var sorted = figures.stream().mapToDouble(Double::doubleValue).sorted().toArray();
        var place = (int) Math.ceil(percent / 100 * sorted.length) - 1;
        return sorted.length == 0 ? Double.NaN : sorted[Math.clamp(place, 0, sorted.length - 1)];
    }

    static double median(Collection<Double> figures) {
        return percentile(figures, 50);
    }

    /// `0.42`, `4.2`, `42`, `4200`; an en dash if there is no figure.
    static String shown(double figure) {
        return Double.isNaN(figure)
                ? "–"
                : figure > 0 && figure < 0.005
                        ? "<0.01"
                        : String.format(Locale.ROOT, figure >= 10 ? "%.0f" : figure >= 1 ? "%.1f" : "%.2f", figure);
    }

    /// `42 ms`, `4.2 s`.
    static String millis(double millis) {
        return millis >= 1000 ? seconds(millis / 1000) : shown(millis) + (Double.isNaN(millis) ? "" : " ms");
    }

    /// `4.2 s`, `42 s`.
    static String seconds(double seconds) {
        return String.format(Locale.ROOT, seconds < 10 ? "%.1f s" : "%.0f s", seconds);
    }

    /// `5.0 s`, or `4.8–5.3 s`.
    static String range(Collection<Double> seconds) {
        var low = percentile(seconds, 0);
        var high = percentile(seconds, 100);
        return (high - low < 0.1 ? "" : seconds(low).replace(" s", "–")) + seconds(high);
    }

    /// `1 socket`, `2 sockets`.
    static String count(long count, String one) {
        return count + " " + one + (count == 1 ? "" : "s");
    }

    /// Each text with its count: `2 × connection reset, 1 × no answer in time`.
    static String counted(Stream<String> texts) {
        return texts
                .collect(Collectors.groupingBy(text -> text, TreeMap::new, Collectors.counting()))
                .entrySet()
                .stream()
                .map(entry -> entry.getValue() + " × " + entry.getKey())
                .collect(Collectors.joining(", "));
    }
}
