package dev.llmworker;

import dev.llmworker.generation.Generator;
import dev.llmworker.serving.Serving;
import dev.llmworker.serving.SharedPort;
import dev.llmworker.stats.WorkerMeters;
import dev.llmworker.stats.WorkerStats;
import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import org.apache.camel.spi.Registry;

/// The worker's object graph: the same under Camel Main, Camel JBang and tests.
///
/// @param port open already, or still to be opened by Camel's HTTP server
record WorkerBeans(SharedPort port, Generator generator, WorkerStats stats, MeterRegistry meters)
        implements AutoCloseable {
    static WorkerBeans of(SharedPort port, Generator generator, WorkerStats stats) {
        return new WorkerBeans(port, generator, stats, new SimpleMeterRegistry());
    }

    /// Binds what the YAML routes name.
    void bind(Registry registry) {
        Serving.bind(registry, port, generator, stats);
        registry.bind("metricsRegistry", meters);
        WorkerMeters.bind(stats, meters);
    }

    @Override
    public void close() {
        generator.close();
        port.close();
        meters.close();
    }
}
