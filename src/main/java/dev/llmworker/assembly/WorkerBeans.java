package dev.llmworker.assembly;

import dev.llmworker.generation.Generator;
import dev.llmworker.generation.Readiness;
import dev.llmworker.serving.beans.Serving;
import dev.llmworker.serving.port.SharedPort;
import dev.llmworker.stats.PrometheusPage;
import dev.llmworker.stats.WorkerIdentity;
import dev.llmworker.stats.WorkerStats;
import io.micrometer.core.instrument.MeterRegistry;
import java.util.Objects;
import org.apache.camel.spi.Registry;

/// The worker's object graph: the same under Camel Main, Camel JBang and tests.
///
/// @param port may be open already, or Camel's HTTP server opens it
public record WorkerBeans(SharedPort port, Generator generator, WorkerStats stats, PrometheusPage metrics)
        implements AutoCloseable {
    public static WorkerBeans of(SharedPort port, Generator generator, WorkerStats stats) {
        // The version is in the jar's manifest.
        var version = Objects.requireNonNullElse(WorkerBeans.class.getPackage().getImplementationVersion(), "unknown");
        var identity = new WorkerIdentity(
                version,
                () -> port.isDraining() ? "draining" : state(generator),
                () -> generator.modelId().orElse(""));
        return new WorkerBeans(port, generator, stats, new PrometheusPage(stats, port.stats(), identity));
    }

    private static String state(Generator generator) {
        return switch (generator.readiness()) {
            case Readiness.Loading() -> "loading";
            case Readiness.Ready() -> "ready";
            case Readiness.Failed _ -> "failed";
        };
    }

    /// Binds the beans that the YAML routes name.
    public void bind(Registry registry) {
        Serving.bind(registry, port, generator, stats, metrics);
        // Camel's component `micrometer` looks for this name.
        registry.bind("metricsRegistry", MeterRegistry.class, metrics::meters);
    }

    @Override
    public void close() {
        generator.close();
        port.close();
        metrics.close();
    }
}
