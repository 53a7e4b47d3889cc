package dev.llmworker.stats;

import io.micrometer.core.instrument.Clock;
import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.prometheusmetrics.PrometheusConfig;
import io.micrometer.prometheusmetrics.PrometheusMeterRegistry;
import io.prometheus.metrics.config.PrometheusProperties;
import io.prometheus.metrics.expositionformats.ExpositionFormats;
import io.prometheus.metrics.instrumentation.jvm.JvmBufferPoolMetrics;
import io.prometheus.metrics.instrumentation.jvm.JvmGarbageCollectorMetrics;
import io.prometheus.metrics.instrumentation.jvm.JvmMemoryMetrics;
import io.prometheus.metrics.instrumentation.jvm.JvmRuntimeInfoMetric;
import io.prometheus.metrics.instrumentation.jvm.JvmThreadsMetrics;
import io.prometheus.metrics.instrumentation.jvm.ProcessMetrics;
import io.prometheus.metrics.model.registry.PrometheusRegistry;
import io.prometheus.metrics.model.snapshots.MetricSnapshots;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/// All metrics in Prometheus' text format: the worker's, the JVM's, the process', and those that routes record
/// with Camel's component `micrometer`. It is loaded with the first scrape, so that no start waits for it.
///
/// Threading: any thread.
public final class PrometheusPage implements AutoCloseable {
    private final WorkerStats stats;
    private final HttpStats http;
    private final WorkerIdentity identity;
    private @Nullable Registries registries;

    public PrometheusPage(WorkerStats stats, HttpStats http, WorkerIdentity identity) {
        this.stats = stats;
        this.http = http;
        this.identity = identity;
    }

    /// The worker's version.
    public String version() {
        return identity.version();
    }

    /// @param contentType of `bytes`
    public record Scrape(String contentType, byte[] bytes) {}

    /// The current metrics.
    ///
    /// @param accept the request's header `Accept`, which may ask for the OpenMetrics format
    /// @param shown of which keys the usage is shown, by their labels
    public Scrape scrape(@Nullable String accept, Predicate<String> shown) {
        var all = registries();
        var writer = all.formats.findWriter(accept);
        var bytes = new ByteArrayOutputStream(1 << 15);
        try {
            var metrics = MetricSnapshots.builder();
            all.prometheus.scrape().forEach(metrics::metricSnapshot);
            WorkerCollector.keys(stats.keys(), shown).forEach(metrics::metricSnapshot);
            writer.write(bytes, metrics.build());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return new Scrape(writer.getContentType(), bytes.toByteArray());
    }

    /// The registry for the routes' own meters.
    public MeterRegistry meters() {
        return registries().meters;
    }

    private record Registries(
            PrometheusRegistry prometheus, PrometheusMeterRegistry meters, ExpositionFormats formats) {}

    private synchronized Registries registries() {
        var made = registries;
        if (made == null) {
            made = make();
            registries = made;
        }
        return made;
    }

    private Registries make() {
        var prometheus = new PrometheusRegistry();
        prometheus.register(new WorkerCollector(stats, http, identity));
        ProcessMetrics.builder().register(prometheus);
        JvmMemoryMetrics.builder().register(prometheus);
        JvmBufferPoolMetrics.builder().register(prometheus);
        JvmGarbageCollectorMetrics.builder().register(prometheus);
        JvmThreadsMetrics.builder().register(prometheus);
        JvmRuntimeInfoMetric.builder().register(prometheus);
        var meters = new PrometheusMeterRegistry(PrometheusConfig.DEFAULT, prometheus, Clock.SYSTEM);
        return new Registries(
                prometheus,
                meters,
                ExpositionFormats.init(PrometheusProperties.get().getExporterProperties()));
    }

    @Override
    public synchronized void close() {
        if (registries != null) {
            registries.meters.close();
        }
    }
}
