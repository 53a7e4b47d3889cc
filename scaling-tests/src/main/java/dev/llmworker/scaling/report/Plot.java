package dev.llmworker.scaling.report;

import de.erichseifert.vectorgraphics2d.VectorGraphics2D;
import de.erichseifert.vectorgraphics2d.svg.SVGProcessor;
import de.erichseifert.vectorgraphics2d.util.PageSize;
import java.awt.BasicStroke;
import java.awt.Color;
import java.awt.Font;
import java.awt.Shape;
import java.awt.geom.AffineTransform;
import java.awt.geom.Ellipse2D;
import java.awt.geom.Path2D;
import java.awt.geom.Rectangle2D;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.text.DecimalFormat;
import java.util.List;
import java.util.function.DoubleBinaryOperator;
import java.util.function.ToDoubleFunction;
import org.jfree.chart.ChartRenderingInfo;
import org.jfree.chart.JFreeChart;
import org.jfree.chart.axis.LogAxis;
import org.jfree.chart.axis.NumberAxis;
import org.jfree.chart.axis.NumberTickUnit;
import org.jfree.chart.axis.SymbolAxis;
import org.jfree.chart.axis.ValueAxis;
import org.jfree.chart.block.BlockBorder;
import org.jfree.chart.plot.XYPlot;
import org.jfree.chart.renderer.xy.XYLineAndShapeRenderer;
import org.jfree.chart.ui.RectangleEdge;
import org.jfree.chart.ui.RectangleInsets;
import org.jfree.data.xy.XYSeries;
import org.jfree.data.xy.XYSeriesCollection;

/// A plot as SVG in the colours of the page, so that it is readable on light and dark.
public final class Plot {
    private static final int WIDTH = 560;
    private static final int HEIGHT = 290;
    private static final double TIP_PIXELS = 10;
    private static final double MIN_AXIS = 1e-3;

    /// The light colours of `page.html`. The names of its variables take their place, because those know dark, too.
    private enum Ink {
        S0(0x0067b1),
        S1(0xc8560a),
        S2(0x10805c),
        S3(0x8b4a9c),
        BAD(0xb3261e),
        SOFT(0x566173),
        GRID(0xdde1e8),
        CARD(0xf6f7f9);

        private final Color colour;

        Ink(int rgb) {
            colour = new Color(rgb);
        }

        private String inPage(String svg) {
            var rgb = "rgb(%d,%d,%d)".formatted(colour.getRed(), colour.getGreen(), colour.getBlue());
            return svg.replace(rgb, "var(--" + name().toLowerCase(java.util.Locale.ROOT) + ")");
        }
    }

    /// How the points of a series are drawn. Each two points of `BARS` make one bar.
    public enum Style {
        MARKS,
        LINE,
        DASHED_LINE,
        BARS,
        CROSSES,
        NOTCHES
    }

    /// @param note shown under the mouse
    public record Point(double x, double y, String note) {}

    /// @param name empty to leave it out of the legend
    /// @param colour from 0 to 3; crosses and notches have their own
    public record Series(String name, int colour, Style style, List<Point> points) {}

    private final String caption;
    private final List<Series> all;
    private final XYPlot plot = new XYPlot();
    private double barPixels;

    /// @param all in the order in which they are drawn
    public Plot(String caption, String xName, String yName, List<Series> all) {
        this.caption = caption;
        this.all = all.stream().filter(series -> !series.points().isEmpty()).toList();
        var x = new NumberAxis(xName);
        x.setAutoRangeIncludesZero(false);
        plot.setDomainAxis(x);
        plot.setRangeAxis(new NumberAxis(yName));
    }

    /// The y axis goes by powers of ten.
    public Plot logarithmic() {
        var low = Math.pow(10, Math.floor(Math.log10(Math.max(MIN_AXIS, limit(Point::y, Math::min)))));
        var high = Math.pow(10, Math.ceil(Math.log10(Math.max(MIN_AXIS, limit(Point::y, Math::max)))));
        var axis = new LogAxis(plot.getRangeAxis().getLabel());
        axis.setRange(low, Math.max(high, 10 * low) * 1.1);
        axis.setTickUnit(new NumberTickUnit(1));
        axis.setNumberFormatOverride(new DecimalFormat("0.###"));
        plot.setRangeAxis(axis);
        return this;
    }

    /// The x axis has names; the x of a point is the number of its name.
    public Plot columns(List<String> names) {
        var axis = new SymbolAxis(plot.getDomainAxis().getLabel(), names.toArray(String[]::new));
        axis.setGridBandsVisible(false);
        plot.setDomainAxis(axis);
        plot.setDomainGridlinesVisible(false);
        return this;
    }

    /// Rows from the top take the place of the y axis.
    public Plot rows() {
        var last = limit(Point::y, Math::max);
        barPixels = Math.clamp(150 / (last + 1), 2, 12);
        plot.getRangeAxis().setVisible(false);
        plot.getRangeAxis().setInverted(true);
        plot.getRangeAxis().setRange(-0.7, last + 0.7);
        plot.setRangeGridlinesVisible(false);
        ((NumberAxis) plot.getDomainAxis()).setAutoRangeIncludesZero(true);
        return this;
    }

    private double limit(ToDoubleFunction<Point> value, DoubleBinaryOperator choose) {
        return all.stream()
                .flatMap(series -> series.points().stream())
                .mapToDouble(value)
                .reduce(choose)
                .orElse(1);
    }

    /// The plot as an element of the page.
    public String svg() {
        var renderer = new XYLineAndShapeRenderer(false, false);
        var data = new XYSeriesCollection();
        for (var i = 0; i < all.size(); i++) {
            data.addSeries(points(all.get(i), i));
            style(renderer, all.get(i), i);
        }
        plot.setDataset(data);
        plot.setRenderer(renderer);
        plot.setBackgroundPaint(null);
        plot.setOutlineVisible(false);
        plot.setDomainGridlinePaint(Ink.GRID.colour);
        plot.setRangeGridlinePaint(Ink.GRID.colour);
        style(plot.getDomainAxis());
        style(plot.getRangeAxis());
        var chart = new JFreeChart(null, null, plot, true);
        chart.setBackgroundPaint(null);
        chart.getLegend().setBackgroundPaint(null);
        chart.getLegend().setFrame(BlockBorder.NONE);
        chart.getLegend().setItemPaint(Ink.SOFT.colour);
        chart.getLegend().setItemFont(font(12));
        chart.getLegend().setPosition(RectangleEdge.TOP);
        var canvas = new VectorGraphics2D();
        var info = new ChartRenderingInfo();
        chart.draw(canvas, new Rectangle2D.Double(0, 0, WIDTH, HEIGHT), null, info);
        return inPage(canvas, info.getPlotInfo().getDataArea());
    }

    private static XYSeries points(Series series, int number) {
        // Not sorted, and several points at one place are allowed.
        var points = new XYSeries(number + series.name(), false, true);
        points.setDescription(series.name());
        for (var i = 0; i < series.points().size(); i++) {
            var point = series.points().get(i);
            if (series.style() == Style.BARS && i > 0 && i % 2 == 0) {
                points.add(point.x(), Double.NaN);
            }
            points.add(point.x(), point.y());
        }
        return points;
    }

    private void style(XYLineAndShapeRenderer renderer, Series series, int i) {
        var ink = switch (series.style()) {
            case CROSSES -> Ink.BAD;
            case NOTCHES -> Ink.CARD;
            case MARKS, LINE, DASHED_LINE, BARS -> Ink.values()[series.colour()];
        };
        var lines = switch (series.style()) {
            case MARKS, CROSSES, NOTCHES -> false;
            case LINE, DASHED_LINE, BARS -> true;
        };
        renderer.setSeriesPaint(i, ink.colour);
        renderer.setSeriesLinesVisible(i, lines);
        renderer.setSeriesShapesVisible(i, series.style() != Style.BARS);
        renderer.setSeriesShapesFilled(i, series.style() != Style.CROSSES);
        renderer.setSeriesShape(i, shape(series));
        renderer.setSeriesStroke(i, stroke(series.style()));
        renderer.setSeriesVisibleInLegend(i, !series.name().isEmpty());
        renderer.setLegendLine(new Rectangle2D.Double(-9, -1, 18, 2));
        renderer.setLegendItemLabelGenerator(
                (data, number) -> ((XYSeriesCollection) data).getSeries(number).getDescription());
    }

    private BasicStroke stroke(Style style) {
        return switch (style) {
            case BARS -> new BasicStroke((float) barPixels, BasicStroke.CAP_BUTT, BasicStroke.JOIN_MITER);
            case DASHED_LINE ->
                new BasicStroke(2, BasicStroke.CAP_BUTT, BasicStroke.JOIN_MITER, 10, new float[] {5, 4}, 0);
            case MARKS, LINE, CROSSES, NOTCHES -> new BasicStroke(2);
        };
    }

    /// Shapes tell series apart if colours cannot: circle, square, diamond.
    private Shape shape(Series series) {
        if (series.style() == Style.NOTCHES) {
            return new Rectangle2D.Double(-0.75, -barPixels / 2, 1.5, barPixels);
        }
        if (series.style() == Style.CROSSES) {
            var cross = new Path2D.Double();
            cross.moveTo(-4, -4);
            cross.lineTo(4, 4);
            cross.moveTo(4, -4);
            cross.lineTo(-4, 4);
            return cross;
        }
        var square = new Rectangle2D.Double(-3.5, -3.5, 7, 7);
        return switch (series.colour()) {
            case 0 -> new Ellipse2D.Double(-4, -4, 8, 8);
            case 1 -> square;
            default -> AffineTransform.getRotateInstance(Math.PI / 4).createTransformedShape(square);
        };
    }

    private static void style(ValueAxis axis) {
        axis.setLabelFont(font(12));
        axis.setTickLabelFont(font(12));
        axis.setLabelPaint(Ink.SOFT.colour);
        axis.setTickLabelPaint(Ink.SOFT.colour);
        axis.setAxisLinePaint(Ink.GRID.colour);
        axis.setTickMarksVisible(false);
        // Room between the labels, so that there are fewer.
        axis.setTickLabelInsets(new RectangleInsets(4, 10, 4, 10));
    }

    private static Font font(int size) {
        return new Font(Font.SANS_SERIF, Font.PLAIN, size);
    }

    private String inPage(VectorGraphics2D canvas, Rectangle2D area) {
        var out = new ByteArrayOutputStream();
        try {
            new SVGProcessor()
                    .getDocument(canvas.getCommands(), new PageSize(WIDTH, HEIGHT))
                    .writeTo(out);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        // Nothing needs to be clipped, and the font is the page's own.
        var drawing = out.toString(StandardCharsets.UTF_8)
                .replaceFirst("(?s)^.*?<svg.*?>", "")
                .replaceFirst("(?s)<defs>.*?</defs>", "")
                .replaceAll(" clip-path=\"[^\"]*\"|font-family:[^;]*&quot;;", "")
                .replaceFirst("</svg>\\s*$", "");
        for (var ink : Ink.values()) {
            drawing = ink.inPage(drawing);
        }
        return "<svg viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"%s\">%s%s</svg>"
                .formatted(WIDTH, HEIGHT, caption, drawing, tips(area));
    }

    /// Areas that show a note under the mouse.
    private String tips(Rectangle2D area) {
        var tips = new StringBuilder();
        for (var series : all) {
            var step = series.style() == Style.BARS ? 2 : 1;
            for (var i = 0; i < series.points().size(); i += step) {
                var from = series.points().get(i);
                var to = series.points().get(i + step - 1);
                var left = plot.getDomainAxis().valueToJava2D(from.x(), area, RectangleEdge.BOTTOM);
                var right = plot.getDomainAxis().valueToJava2D(to.x(), area, RectangleEdge.BOTTOM);
                var y = plot.getRangeAxis().valueToJava2D(from.y(), area, RectangleEdge.LEFT);
                var margin = step == 1 ? TIP_PIXELS / 2 : 0;
                var half = step == 1 ? TIP_PIXELS / 2 : barPixels / 2;
                tips.append(
                        "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" class=\"tip\"><title>%s</title></rect>"
                                .formatted(
                                        left - margin,
                                        y - half,
                                        right - left + 2 * margin,
                                        2 * half,
                                        from.note().replace("&", "&amp;").replace("<", "&lt;")));
            }
        }
        return tips.toString();
    }
}
