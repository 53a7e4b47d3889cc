package dev.llmworker.testing;

import dev.llmworker.assembly.Listening;
import dev.llmworker.assembly.WorkerBeans;
import dev.llmworker.generation.Generator;
import dev.llmworker.routes.CamelApplication;
import dev.llmworker.routes.RouteFiles;
import dev.llmworker.serving.connection.ConnectionClock;
import dev.llmworker.serving.port.HttpPort;
import dev.llmworker.stats.WorkerStats;
import io.vertx.core.Vertx;
import java.nio.file.Path;
import java.util.Map;
import java.util.function.Function;
import org.apache.camel.CamelContext;

/// A whole worker on a free port. It serves the real `routes/` unless its environment names other ones.
///
/// Tests that need the same worker in each method declare a [WorkerExtension] instead.
public final class RunningWorker extends TestWorker implements AutoCloseable {
    public final HttpPort port;
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
        var settings = TestSettings.of(environment);
        port = HttpPort.open(Listening.settings(settings), clock);
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
    public HttpPort port() {
        return port;
    }

    public CamelContext context() {
        return camel.getCamelContext();
    }

    public RouteFiles routeFiles() {
        return context().getRegistry().lookupByNameAndType("routeFiles", RouteFiles.class);
    }

    /// Binds a bean for routes that are loaded later.
    public void bind(String name, Object bean) {
        context().getRegistry().bind(name, bean);
    }

    @Override
    public void close() {
        camel.stop();
    }
}
