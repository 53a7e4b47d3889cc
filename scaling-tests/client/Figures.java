package client;

import java.util.Arrays;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;

/// Percentiles of measured figures, and figures as people read them.
public final class Figures {
    private Figures() {}

    /// The smallest figure that at least `percent` of all are not above; NaN where there is none.
    public static double percentile(Collection<Double> figures, double percent) {
        return percentile(sorted(figures), percent);
    }

    private static double percentile(double[] sorted, double percent) {
        var place = (int) Math.ceil(percent / 100 * sorted.length) - 1;
        return sorted.length == 0 ? Double.NaN : sorted[Math.clamp(place, 0, sorted.length - 1)];
    }

    public static double median(Collection<Double> figures) {
        return percentile(figures, 50);
    }

    /// `count`, `p50`, `p95`, `p99`, `max`.
    public static Map<String, Object> summary(Collection<Double> figures) {
        var sorted = sorted(figures);
        var summary = new LinkedHashMap<String, Object>();
        summary.put("count", sorted.length);
        for (var percent : new int[] {50, 95, 99}) {
            summary.put("p" + percent, percentile(sorted, percent));
        }
        summary.put("max", percentile(sorted, 100));
        return summary;
    }

    private static double[] sorted(Collection<Double> figures) {
        var sorted = figures.stream().mapToDouble(Double::doubleValue).toArray();
        Arrays.sort(sorted);
        return sorted;
    }

    /// `0.42`, `4.2`, `42`, `4200`; an en dash where there is no figure.
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
        if (!Double.isFinite(millis)) {
            return shown(millis);
        }
        return millis < 1000 ? shown(millis) + " ms" : seconds(millis / 1000);
    }

    public static String seconds(double seconds) {
        return String.format(Locale.ROOT, seconds < 10 ? "%.1f s" : "%.0f s", seconds);
    }

    /// `1 socket`, `2 sockets`.
    public static String count(long count, String one) {
        return count + " " + one + (count == 1 ? "" : "s");
    }
}
