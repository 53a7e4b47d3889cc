package report;

import java.util.List;
import java.util.Locale;
import java.util.stream.Collectors;

/// A drawing with a caption, in SVG whose colours come from the page, so that it is right on light and dark.
final class Plot {
    static final double WIDTH = 560;
    static final double LEFT = 54;
    static final double RIGHT = WIDTH - 14;
    static final double TOP = 16;
    static final double BOTTOM_MARGIN = 40;

    private final StringBuilder marks = new StringBuilder();
    private final double height;

    Plot(double height) {
        this.height = height;
    }

    double bottom() {
        return height - BOTTOM_MARGIN;
    }

    Plot line(String classes, double x1, double y1, double x2, double y2) {
        return add("<line class=\"%s\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/>", classes, x1, y1, x2, y2);
    }

    Plot box(String classes, double x, double y, double width, double height, String title) {
        return add(
                "<rect class=\"%s\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" rx=\"2\">%s</rect>",
                classes, x, y, Math.max(0.5, width), height, title(title));
    }

    /// A mark whose shape tells series apart where colours cannot: circle, square, triangle, diamond.
    Plot mark(int series, double x, double y, String title) {
        var size = 4.5;
        var shape = switch (series % 4) {
            case 0 -> "M%.1f %.1fm-4 0a4 4 0 1 0 8 0a4 4 0 1 0 -8 0".formatted(x, y);
            case 1 ->
                path(
                        x - size + 1,
                        y - size + 1,
                        x + size - 1,
                        y - size + 1,
                        x + size - 1,
                        y + size - 1,
                        x - size + 1,
                        y + size - 1);
            case 2 -> path(x, y - size, x + size, y + size - 1, x - size, y + size - 1);
            default -> path(x, y - size, x + size, y, x, y + size, x - size, y);
        };
        return add("<path class=\"fill%d\" d=\"%s\">%s</path>", series, shape, title(title));
    }

    Plot cross(double x, double y, String title) {
        return add("<path class=\"cross\" d=\"M%.1f %.1fl8 8m0 -8l-8 8\">%s</path>", x - 4, y - 4, title(title));
    }

    Plot polyline(String classes, List<double[]> points) {
        var list = points.stream()
                .map(point -> String.format(Locale.ROOT, "%.1f,%.1f", point[0], point[1]))
                .collect(Collectors.joining(" "));
        return add("<polyline class=\"%s\" points=\"%s\"/>", classes, list);
    }

    /// @param anchor start, middle or end
    Plot text(String anchor, double x, double y, String text) {
        return add("<text text-anchor=\"%s\" x=\"%.1f\" y=\"%.1f\">%s</text>", anchor, x, y, Html.escaped(text));
    }

    Plot xAxis(Scale scale, double left, String name) {
        for (var tick : scale.ticks()) {
            line("grid", scale.at(tick), TOP, scale.at(tick), bottom());
            text("middle", scale.at(tick), bottom() + 16, Scale.label(tick));
        }
        line("axis", left, bottom(), RIGHT, bottom());
        return text("end", RIGHT, height - 6, name);
    }

    Plot yAxis(Scale scale, String name) {
        for (var tick : scale.ticks()) {
            line("grid", LEFT, scale.at(tick), RIGHT, scale.at(tick));
            text("end", LEFT - 7, scale.at(tick) + 4, Scale.label(tick));
        }
        return text("start", 2, 11, name);
    }

    /// @param description the same for those who do not see it
    /// @param legend the series that it tells apart; empty for none
    String figure(String caption, String description, List<Series> legend) {
        var out = new StringBuilder("<figure><figcaption>" + Html.escaped(caption) + "</figcaption>");
        if (!legend.isEmpty()) {
            out.append("<ul class=\"legend\">");
            for (var series : legend) {
                out.append("<li><svg viewBox=\"0 0 24 12\" aria-hidden=\"true\">%s</svg>%s</li>"
                        .formatted(sample(series).marks, Html.escaped(series.name())));
            }
            out.append("</ul>");
        }
        return out.append(String.format(
                        Locale.ROOT,
                        "<div class=\"scroll\" tabindex=\"0\"><svg viewBox=\"0 0 %.0f %.0f\" role=\"img\" aria-label=\"%s\">%s</svg></div></figure>%n",
                        WIDTH,
                        height,
                        Html.escaped(description),
                        marks))
                .toString();
    }

    /// A series that has points is of marks on a line, one that has none is a colour of bars.
    private static Plot sample(Series series) {
        var sample = new Plot(0);
        if (series.points().isEmpty()) {
            return sample.box("fill" + series.colour(), 0, 1, 20, 10, "");
        }
        return sample.polyline(
                        "line" + series.colour() + (series.dashed() ? " dashed" : ""),
                        List.of(new double[] {0, 6}, new double[] {24, 6}))
                .mark(series.colour(), 12, 6, "");
    }

    private static String path(double... corners) {
        var path = new StringBuilder();
        for (var i = 0; i < corners.length; i += 2) {
            path.append(String.format(Locale.ROOT, "%s%.1f %.1f", i == 0 ? "M" : "L", corners[i], corners[i + 1]));
        }
        return path + "z";
    }

    private static String title(String text) {
        return text.isEmpty() ? "" : "<title>" + Html.escaped(text) + "</title>";
    }

    private Plot add(String format, Object... values) {
        marks.append(String.format(Locale.ROOT, format, values)).append('\n');
        return this;
    }
}
