package dev.llmworker.scaling.client;

import java.util.Collection;
import java.util.Locale;
import java.util.Map;

/// Percentiles of measured figures, and figures as people read them.
public final class Figures {
    private Figures() {}

    /// The smallest figure that at least `percent` of all figures do not exceed; NaN if there are none.
    public static double percentile(Collection<Double> figures, double percent) {
        var sorted = figures.stream().mapToDouble(Double::doubleValue).sorted().toArray();
        var place = (int) Math.ceil(percent / 100 * sorted.length) - 1;
        return sorted.length == 0 ? Double.NaN : sorted[Math.clamp(place, 0, sorted.length - 1)];
    }

    public static double median(Collection<Double> figures) {
        return percentile(figures, 50);
    }

    public static Map<String, Object> summary(Collection<Double> figures) {
        return Json.object(
                "count", figures.size(),
                "p50", median(figures),
                "p95", percentile(figures, 95),
                "p99", percentile(figures, 99),
                "max", percentile(figures, 100));
    }

    /// `0.42`, `4.2`, `42`, `4200`; an en dash if there is no figure.
    public static String shown(double figure) {
        if (!Double.isFinite(figure)) {
            return "–";
        }
        var size = Math.abs(figure);
        if (size > 0 && size < 0.005) {
            return "<0.01";
        }
        var decimals = size >= 10 || figure == 0 ? 0 : size >= 1 ? 1 : 2;
        return String.format(Locale.ROOT, "%." + decimals + "f", figure);
    }

    /// `42 ms`, `4.2 s`.
    public static String millis(double millis) {
        return millis >= 1000 ? seconds(millis / 1000) : shown(millis) + (Double.isFinite(millis) ? " ms" : "");
    }

    public static String seconds(double seconds) {
        return String.format(Locale.ROOT, seconds < 10 ? "%.1f s" : "%.0f s", seconds);
    }

    /// `1 socket`, `2 sockets`.
    public static String count(long count, String one) {
        return count + " " + one + (count == 1 ? "" : "s");
    }

    /// `42`, `0.25`: without a point if it needs none.
    static String plain(double number) {
        return number == Math.rint(number) ? Long.toString((long) number) : Double.toString(number);
    }
}
