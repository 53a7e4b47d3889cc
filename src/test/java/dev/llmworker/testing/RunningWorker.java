package dev.llmworker.testing;

import dev.llmworker.assembly.WorkerBeans;
import dev.llmworker.generation.Generator;
import dev.llmworker.routes.CamelApplication;
import dev.llmworker.routes.RouteFiles;
import dev.llmworker.serving.connection.ConnectionClock;
import dev.llmworker.serving.port.SharedPort;
import dev.llmworker.settings.Settings;
import dev.llmworker.stats.WorkerStats;
import io.vertx.core.Vertx;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import java.util.function.Function;

/// A whole worker on a free port. It serves the real `routes/` unless its environment names other ones.
///
/// Tests that need the same worker in each method declare a [WorkerExtension] instead.
public final class RunningWorker extends TestWorker implements AutoCloseable {
    public final SharedPort port;
    private final CamelApplication camel;

    public RunningWorker(Generator generator, Map<String, String> environment) throws Exception {
        this(generator, environment, new WorkerStats());
    }

    /// @param stats the generator's, too
    public RunningWorker(Generator generator, Map<String, String> environment, WorkerStats stats) throws Exception {
        this(generator, environment, stats, ConnectionClock::of);
    }

    /// @param clock measures how long clients take
    public RunningWorker(
            Generator generator,
            Map<String, String> environment,
            WorkerStats stats,
            Function<Vertx, ConnectionClock> clock)
            throws Exception {
        super(stats);
        var variables = new HashMap<>(Map.of("PORT", "0", "HOST", "127.0.0.1", "DRAIN_TIMEOUT", "0"));
        variables.putAll(environment);
        var settings = Settings.read(variables);
        port = SharedPort.open(settings.listen(), clock);
        camel = new CamelApplication(settings, WorkerBeans.of(port, generator, stats));
        camel.start();
    }

    public static RunningWorker with(Generator generator) throws Exception {
        return new RunningWorker(generator, Map.of());
    }

    public static RunningWorker with(Generator generator, Path routes) throws Exception {
        return new RunningWorker(generator, Map.of("ROUTES", routes.toString()));
    }

    @Override
    public SharedPort port() {
        return port;
    }

    public RouteFiles routeFiles() {
        return camel.getCamelContext().getRegistry().lookupByNameAndType("routeFiles", RouteFiles.class);
    }

    /// Binds a bean for routes that are loaded later.
    public void bind(String name, Object bean) {
        camel.getCamelContext().getRegistry().bind(name, bean);
    }

    @Override
    public void close() {
        camel.stop();
    }
}
