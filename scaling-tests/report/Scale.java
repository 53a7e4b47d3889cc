package report;

import java.util.ArrayList;
import java.util.List;

/// Maps figures to places along an axis.
///
/// @param from the place of `low`, in the units of the drawing
/// @param to the place of `high`; less than `from` on an axis that goes up
record Scale(double low, double high, double from, double to, boolean logarithmic) {
    private static final int TICKS = 5;

    /// From zero to a little more than the largest figure.
    static Scale fromZero(double largest, double from, double to) {
        var high = largest > 0 && Double.isFinite(largest) ? largest : 1;
        return new Scale(0, high * 1.05, from, to, false);
    }

    /// From a power of ten to another, around the figures.
    static Scale powersOfTen(double least, double largest, double from, double to) {
        var low = Math.floor(Math.log10(Math.max(1e-3, least)));
        var high = Math.max(low + 1, Math.ceil(Math.log10(Math.max(1e-3, largest))));
        return new Scale(Math.pow(10, low), Math.pow(10, high), from, to, true);
    }

    double at(double figure) {
        var share = logarithmic
                ? Math.log(Math.max(figure, low) / low) / Math.log(high / low)
                : (figure - low) / (high - low);
        return from + share * (to - from);
    }

    /// Round figures, evenly spread.
    List<Double> ticks() {
        var ticks = new ArrayList<Double>();
        if (logarithmic) {
            for (var tick = low; tick <= high * 1.001; tick *= 10) {
                ticks.add(tick);
            }
            return ticks;
        }
        var rough = (high - low) / TICKS;
        var power = Math.pow(10, Math.floor(Math.log10(rough)));
        var step = power * (rough / power < 1.5 ? 1 : rough / power < 3.5 ? 2 : rough / power < 7.5 ? 5 : 10);
        for (var i = (long) Math.ceil(low / step - 1e-9); i * step <= high * (1 + 1e-9); i++) {
            ticks.add(i * step);
        }
        return ticks;
    }

    static String label(double tick) {
        if (tick >= 1000 && tick % 100 == 0) {
            return client.Figures.shown(tick / 1000).replaceAll("\\.0$", "") + "k";
        }
        var rounded = Math.round(tick * 1000) / 1000.0;
        return rounded == Math.rint(rounded) ? Long.toString((long) rounded) : Double.toString(rounded);
    }
}
