package dev.llmworker.stats;

import io.prometheus.metrics.model.snapshots.CounterSnapshot;
import io.prometheus.metrics.model.snapshots.CounterSnapshot.CounterDataPointSnapshot;
import io.prometheus.metrics.model.snapshots.GaugeSnapshot;
import io.prometheus.metrics.model.snapshots.GaugeSnapshot.GaugeDataPointSnapshot;
import io.prometheus.metrics.model.snapshots.HistogramSnapshot;
import io.prometheus.metrics.model.snapshots.HistogramSnapshot.HistogramDataPointSnapshot;
import io.prometheus.metrics.model.snapshots.InfoSnapshot;
import io.prometheus.metrics.model.snapshots.InfoSnapshot.InfoDataPointSnapshot;
import io.prometheus.metrics.model.snapshots.Labels;
import io.prometheus.metrics.model.snapshots.MetricSnapshot;
import io.prometheus.metrics.model.snapshots.MetricSnapshots;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.function.Function;

/// Collects the current values of metrics.
///
/// Threading: one thread.
final class Snapshots {
    private final List<MetricSnapshot> metrics = new ArrayList<>();

    /// @param name without `_total`
    Snapshots counter(String name, String help, double value) {
        return counters(name, help, Map.of(Labels.EMPTY, value));
    }

    /// @param name without `_total`
    Snapshots counters(String name, String help, Map<Labels, ? extends Number> values) {
        var counter = CounterSnapshot.builder().name(name).help(help);
        values.forEach((labels, value) -> counter.dataPoint(CounterDataPointSnapshot.builder()
                .labels(labels)
                .value(value.doubleValue())
                .build()));
        metrics.add(counter.build());
        return this;
    }

    Snapshots gauge(String name, String help, double value) {
        return gauges(name, help, Map.of(Labels.EMPTY, value));
    }

    Snapshots gauges(String name, String help, Map<Labels, ? extends Number> values) {
        var gauge = GaugeSnapshot.builder().name(name).help(help);
        values.forEach((labels, value) -> gauge.dataPoint(GaugeDataPointSnapshot.builder()
                .labels(labels)
                .value(value.doubleValue())
                .build()));
        metrics.add(gauge.build());
        return this;
    }

    /// A metric that carries its information in its labels.
    ///
    /// @param name without `_info`
    Snapshots info(String name, String help, Labels labels) {
        metrics.add(InfoSnapshot.builder()
                .name(name)
                .help(help)
                .dataPoint(new InfoDataPointSnapshot(labels))
                .build());
        return this;
    }

    Snapshots histogram(String name, String help, Histogram histogram) {
        return histograms(name, help, Map.of("", histogram), _ -> Labels.EMPTY);
    }

    <K> Snapshots histograms(String name, String help, Map<K, Histogram> histograms, Function<K, Labels> labels) {
        var snapshot = HistogramSnapshot.builder().name(name).help(help);
        histograms.forEach((key, histogram) -> snapshot.dataPoint(HistogramDataPointSnapshot.builder()
                .labels(labels.apply(key))
                .classicHistogramBuckets(histogram.buckets())
                .sum(histogram.sum())
                .build()));
        metrics.add(snapshot.build());
        return this;
    }

    MetricSnapshots all() {
        return new MetricSnapshots(metrics);
    }
}
