package dev.llmworker.scaling;

import dev.llmworker.scaling.LoadTest.Transport;
import java.awt.BasicStroke;
import java.awt.Color;
import java.awt.Font;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import org.knowm.xchart.CategoryChartBuilder;
import org.knowm.xchart.CategorySeries.CategorySeriesRenderStyle;
import org.knowm.xchart.VectorGraphicsEncoder;
import org.knowm.xchart.VectorGraphicsEncoder.VectorGraphicsFormat;
import org.knowm.xchart.XYChartBuilder;
import org.knowm.xchart.style.AxesChartStyler;
import org.knowm.xchart.style.Styler.LegendLayout;
import org.knowm.xchart.style.Styler.LegendPosition;
import org.knowm.xchart.style.markers.SeriesMarkers;

/// A chart as an image that the page contains.
///
/// @param svg in base64
record Chart(String caption, String svg) {
    private static final int WIDTH = 560;
    private static final int HEIGHT = 290;
    private static final float ROWS_PIXELS = 150;
    private static final float MIN_BAR_PIXELS = 2;
    private static final float MAX_BAR_PIXELS = 10;
    /// They are different for people who cannot tell red from green, too.
    private static final Color[] COLOURS = {
        new Color(0x0067b1), new Color(0xc8560a), new Color(0x10805c), new Color(0x8b4a9c)
    };

    /// @param kind of bars that have one colour
    record Bar(String kind, double from, double to) {}

    /// Horizontal bars, the first one at the top.
    static Chart bars(String caption, String unit, List<Bar> bars) {
        var chart = new XYChartBuilder()
                .width(WIDTH)
                .height(HEIGHT)
                .xAxisTitle(unit)
                .build();
        style(chart.getStyler());
        chart.getStyler()
                .setYAxisTicksVisible(false)
                .setPlotGridHorizontalLinesVisible(false)
                .setXAxisMin(0.0)
                .setYAxisMin(-bars.size() + 0.3)
                .setYAxisMax(0.7);
        var width = Math.clamp(ROWS_PIXELS / bars.size(), MIN_BAR_PIXELS, MAX_BAR_PIXELS);
        for (var kind : bars.stream().map(Bar::kind).distinct().sorted().toList()) {
            var x = new ArrayList<Double>();
            var y = new ArrayList<Double>();
            for (var row = 0; row < bars.size(); row++) {
                var bar = bars.get(row);
                if (bar.kind.equals(kind)) {
                    // Not a number is where the line is interrupted.
                    x.addAll(List.of(bar.from, bar.to, bar.to));
                    y.addAll(List.of((double) -row, (double) -row, Double.NaN));
                }
            }
            chart.addSeries(kind, x, y)
                    .setMarker(SeriesMarkers.NONE)
                    .setLineStyle(new BasicStroke(width, BasicStroke.CAP_BUTT, BasicStroke.JOIN_MITER));
        }
        return of(caption, chart);
    }

    /// A line for each transport, over numbers of streams; NaN is a gap.
    static Chart lines(String caption, String unit, List<Integer> streams, Map<Transport, List<Double>> lines) {
        var chart = new CategoryChartBuilder()
                .width(WIDTH)
                .height(HEIGHT)
                .xAxisTitle("streams")
                .yAxisTitle(unit)
                .build();
        style(chart.getStyler());
        chart.getStyler()
                .setDefaultSeriesRenderStyle(CategorySeriesRenderStyle.Line)
                .setOverlapped(true)
                .setPlotGridVerticalLinesVisible(false)
                .setYAxisMin(0.0);
        lines.forEach((transport, values) -> chart.addSeries(
                transport.toString(),
                streams,
                values.stream().map(value -> value.isNaN() ? null : value).toList()));
        return of(caption, chart);
    }

    private static void style(AxesChartStyler styler) {
        styler.setSeriesColors(COLOURS)
                .setChartBackgroundColor(Color.WHITE)
                .setPlotBorderVisible(false)
                .setLegendPosition(LegendPosition.OutsideS)
                .setLegendLayout(LegendLayout.Horizontal)
                .setLegendBorderColor(Color.WHITE);
        styler.setAxisTitleFont(new Font(Font.SANS_SERIF, Font.PLAIN, 12)).setAxisTicksMarksVisible(false);
    }

    private static Chart of(String caption, org.knowm.xchart.internal.chartpart.Chart<?, ?> chart) {
        var out = new ByteArrayOutputStream();
        try {
            VectorGraphicsEncoder.saveVectorGraphic(chart, out, VectorGraphicsFormat.SVG);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return new Chart(caption, Base64.getEncoder().encodeToString(out.toByteArray()));
    }
}
