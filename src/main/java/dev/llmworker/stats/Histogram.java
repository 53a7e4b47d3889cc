package dev.llmworker.stats;

import io.prometheus.metrics.model.snapshots.ClassicHistogramBuckets;
import io.prometheus.metrics.model.snapshots.HistogramSnapshot;
import io.prometheus.metrics.model.snapshots.HistogramSnapshot.HistogramDataPointSnapshot;
import io.prometheus.metrics.model.snapshots.Labels;
import java.util.Arrays;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.DoubleAdder;
import java.util.concurrent.atomic.LongAdder;
import java.util.function.Function;

/// Counts recorded values by key and bucket, and sums them.
///
/// Threading: any thread. Recording allocates nothing once a key is known, and never waits.
final class Histogram<K> {
    private final double[] bounds;
    private final Map<K, Series> series = new ConcurrentHashMap<>();

    /// @param bounds the inclusive upper bounds of all buckets but the last, in ascending order
    Histogram(double... bounds) {
        this.bounds = bounds;
    }

    static final class Series {
        private final LongAdder[] counts;
        private final DoubleAdder sum = new DoubleAdder();

        Series(int buckets) {
            counts = new LongAdder[buckets];
            Arrays.setAll(counts, _ -> new LongAdder());
        }
    }

    /// A key's values; none are recorded at first.
    Series of(K key) {
        return series.computeIfAbsent(key, _ -> new Series(bounds.length + 1));
    }

    void record(K key, double value) {
        var one = of(key);
        int at = Arrays.binarySearch(bounds, value);
        one.counts[at < 0 ? -at - 1 : at].increment();
        one.sum.add(value);
    }

    HistogramSnapshot snapshot(String name, String help, Function<K, Labels> labels) {
        var snapshot = HistogramSnapshot.builder().name(name).help(help);
        series.forEach((key, one) -> snapshot.dataPoint(HistogramDataPointSnapshot.builder()
                .labels(labels.apply(key))
                .classicHistogramBuckets(buckets(one))
                .sum(one.sum.sum())
                .build()));
        return snapshot.build();
    }

    /// The count of each bucket by its upper bound.
    private ClassicHistogramBuckets buckets(Series one) {
        var buckets = ClassicHistogramBuckets.builder();
        for (int i = 0; i < one.counts.length; i++) {
            buckets.bucket(i < bounds.length ? bounds[i] : Double.POSITIVE_INFINITY, one.counts[i].sum());
        }
        return buckets.build();
    }
}
