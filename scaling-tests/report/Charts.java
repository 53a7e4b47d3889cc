package report;

import java.util.List;
import java.util.stream.Stream;

/// The kinds of plot that the reports have.
public final class Charts {
    private static final double HEIGHT = 270;

    private Charts() {}

    /// Milliseconds over time, a mark for each; what failed is crossed at the top.
    public static String overTime(String caption, List<Series> series) {
        var points = series.stream().flatMap(s -> s.points().stream()).toList();
        var plot = new Plot(HEIGHT);
        var first = points.stream().mapToDouble(Series.Point::x).min().orElse(0);
        var last = points.stream().mapToDouble(Series.Point::x).max().orElse(1);
        var x = new Scale(first, Math.max(last, first + 1), Plot.LEFT + 8, Plot.RIGHT - 8, false);
        var y = logarithmic(points.stream().filter(point -> !point.failed()), plot);
        plot.xAxis(x, Plot.LEFT, "seconds of the run").yAxis(y, "ms");
        for (var marks : series) {
            for (var point : marks.points()) {
                if (point.failed()) {
                    plot.cross(x.at(point.x()), Plot.TOP + 6, point.note());
                } else {
                    plot.mark(marks.colour(), x.at(point.x()), y.at(point.y()), point.note());
                }
            }
        }
        var failed = points.stream().filter(Series.Point::failed).count();
        return plot.figure(
                caption,
                caption + ": " + points.size() + " requests, " + failed + " failed",
                series.size() < 2 ? List.of() : series);
    }

    private static Scale logarithmic(Stream<Series.Point> points, Plot plot) {
        var figures = points.mapToDouble(Series.Point::y).summaryStatistics();
        return figures.getCount() == 0
                ? Scale.powersOfTen(1, 10, plot.bottom(), Plot.TOP + 14)
                : Scale.powersOfTen(figures.getMin(), figures.getMax(), plot.bottom(), Plot.TOP + 14);
    }

    /// Lines over columns: the x of a point is the number of its column.
    ///
    /// @param unit of the y axis
    /// @param logarithmic whether it goes by powers of ten
    public static String lines(
            String caption, List<String> columns, String xName, String unit, boolean logarithmic, List<Series> series) {
        var plot = new Plot(HEIGHT);
        var points = series.stream().flatMap(s -> s.points().stream()).toList();
        var largest = points.stream().mapToDouble(Series.Point::y).max().orElse(1);
        var y = logarithmic ? logarithmic(points.stream(), plot) : Scale.fromZero(largest, plot.bottom(), Plot.TOP + 8);
        plot.yAxis(y, unit).line("axis", Plot.LEFT, plot.bottom(), Plot.RIGHT, plot.bottom());
        var step = (Plot.RIGHT - Plot.LEFT) / columns.size();
        for (var i = 0; i < columns.size(); i++) {
            plot.text("middle", Plot.LEFT + (i + 0.5) * step, plot.bottom() + 16, columns.get(i));
        }
        plot.text("end", Plot.RIGHT, HEIGHT - 6, xName);
        for (var line : series) {
            var places = line.points().stream()
                    .map(point -> new double[] {Plot.LEFT + (point.x() + 0.5) * step, y.at(point.y())})
                    .toList();
            plot.polyline("line" + line.colour() + (line.dashed() ? " dashed" : ""), places);
            for (var i = 0; i < places.size(); i++) {
                plot.mark(
                        line.colour(),
                        places.get(i)[0],
                        places.get(i)[1],
                        line.points().get(i).note());
            }
        }
        return plot.figure(caption, described(caption, columns, series), series);
    }

    private static String described(String caption, List<String> columns, List<Series> series) {
        var text = new StringBuilder(caption);
        for (var line : series) {
            text.append("; ").append(line.name()).append(": ");
            line.points()
                    .forEach(point -> text.append(client.Figures.shown(point.y()))
                            .append(" at ")
                            .append(columns.get((int) point.x()))
                            .append(", "));
        }
        return text.toString().replaceAll(", (;|$)", "$1");
    }

    /// Bars from the left, one a row, each of parts.
    ///
    /// @param parts their names and colours
    public static String bars(String caption, String unit, List<Series> parts, List<Bar> bars) {
        var row = Math.clamp(300.0 / Math.max(1, bars.size()), 9, 22);
        var plot = new Plot(Plot.TOP + row * bars.size() + Plot.BOTTOM_MARGIN);
        var labelled = bars.stream().anyMatch(bar -> !bar.name().isEmpty());
        var left = labelled ? 128 : Plot.LEFT;
        var largest = bars.stream().mapToDouble(Bar::end).max().orElse(1);
        var x = Scale.fromZero(largest, left, Plot.RIGHT);
        plot.xAxis(x, left, unit);
        for (var i = 0; i < bars.size(); i++) {
            var bar = bars.get(i);
            var top = Plot.TOP + i * row;
            plot.text("end", left - 8, top + row / 2 + 4, bar.name());
            for (var part : bar.parts()) {
                plot.box(
                        "fill" + part.series(),
                        x.at(part.from()),
                        top + 2,
                        x.at(part.to()) - x.at(part.from()),
                        row - 4,
                        part.note());
            }
            for (var tick : bar.ticks()) {
                plot.line("tick", x.at(tick), top + 2, x.at(tick), top + row - 2);
            }
            if (Double.isFinite(bar.crossAt())) {
                plot.cross(Math.min(x.at(bar.crossAt()) + 6, Plot.RIGHT + 6), top + row / 2, bar.crossNote());
            }
        }
        var described = new StringBuilder(caption);
        bars.forEach(bar -> bar.parts().forEach(part -> described.append("; ").append(part.note())));
        return plot.figure(caption, described.toString(), parts);
    }

    /// @param name at its left; empty for none
    /// @param ticks places that are marked in it
    /// @param crossAt where it was cut; NaN where it was not
    public record Bar(String name, List<Part> parts, List<Double> ticks, double crossAt, String crossNote) {
        public static Bar of(String name, Part... parts) {
            return new Bar(name, List.of(parts), List.of(), Double.NaN, "");
        }

        double end() {
            return parts.stream().mapToDouble(Part::to).max().orElse(0);
        }
    }

    public record Part(int series, double from, double to, String note) {}
}
