package dev.llmworker.assembly;

import dev.llmworker.generation.Generator;
import dev.llmworker.generation.Readiness;
import dev.llmworker.serving.beans.Serving;
import dev.llmworker.serving.camel.PortRouter;
import dev.llmworker.serving.port.HttpPort;
import dev.llmworker.stats.PrometheusPage;
import dev.llmworker.stats.WorkerIdentity;
import dev.llmworker.stats.WorkerStats;
import io.micrometer.core.instrument.MeterRegistry;
import java.util.Objects;
import org.apache.camel.CamelContext;
import org.apache.camel.component.platform.http.vertx.VertxPlatformHttpRouter;
import org.apache.camel.spi.Registry;
import org.jspecify.annotations.Nullable;

/// The worker's object graph: the same under Camel Main, Camel JBang and tests.
///
/// @param port open already; [#serve] puts Camel's routes behind it
/// @param report is told when the routes are up
public record WorkerBeans(
        HttpPort port, Generator generator, WorkerStats stats, PrometheusPage metrics, StartReport report)
        implements AutoCloseable {
    // Camel keeps the beans in a set. Java would make these methods at each start.
    @Override
    public boolean equals(@Nullable Object other) {
        return this == other;
    }

    @Override
    public int hashCode() {
        return System.identityHashCode(this);
    }

    public static WorkerBeans of(HttpPort port, Generator generator, WorkerStats stats) {
        return of(port, generator, stats, new StartReport());
    }

    public static WorkerBeans of(HttpPort port, Generator generator, WorkerStats stats, StartReport report) {
        var identity = new WorkerIdentity(
                version(),
                () -> port.drain().hasBegun() ? "draining" : state(generator),
                () -> generator.modelId().orElse(""));
        return new WorkerBeans(port, generator, stats, new PrometheusPage(stats, port.stats(), identity), report);
    }

    /// The version in the jar's manifest.
    public static String version() {
        return Objects.requireNonNullElse(WorkerBeans.class.getPackage().getImplementationVersion(), "unknown");
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

    /// From now on the port's requests go to the routes of `context`. Until then it says that the worker is starting:
    /// the router would answer 404 before its routes are there, to health checks too.
    public void serve(CamelContext context) {
        port.serve(VertxPlatformHttpRouter.lookup(context, PortRouter.NAME));
    }

    /// The routes serve, and the log says so.
    public void started() {
        report.routesAreUp(port.url());
    }

    @Override
    public void close() {
        generator.closeWithin(port.drain()::timeLeft);
        port.close();
        metrics.close();
    }
}
