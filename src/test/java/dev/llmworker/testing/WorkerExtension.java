package dev.llmworker.testing;

import dev.llmworker.generation.Generator;
import dev.llmworker.generation.MockGenerator;
import dev.llmworker.serving.connection.ConnectionClock;
import dev.llmworker.serving.port.HttpPort;
import dev.llmworker.stats.WorkerStats;
import io.vertx.core.Vertx;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.Callable;
import java.util.function.Function;
import org.apache.camel.CamelContext;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.extension.AfterAllCallback;
import org.junit.jupiter.api.extension.AfterEachCallback;
import org.junit.jupiter.api.extension.BeforeAllCallback;
import org.junit.jupiter.api.extension.BeforeEachCallback;
import org.junit.jupiter.api.extension.ExtensionContext;

/// Starts a worker before the tests and stops it after them. In a static field, one worker serves all tests of the
/// class; in an instance field, each test has a worker of its own.
///
/// ```java
/// @RegisterExtension
/// static final WorkerExtension worker = WorkerExtension.mock().with("MAX_WEBSOCKETS", "2");
/// ```
public final class WorkerExtension extends TestWorker
        implements BeforeAllCallback, AfterAllCallback, BeforeEachCallback, AfterEachCallback {
    private final Generator generator;
    private final Map<String, Callable<String>> environment = new LinkedHashMap<>();
    private Function<Vertx, ConnectionClock> clock = ConnectionClock::of;
    private @Nullable RunningWorker running;
    private boolean servesTheClass;

    private WorkerExtension(Generator generator) {
        super(new WorkerStats());
        this.generator = generator;
    }

    public static WorkerExtension mock() {
        return of(new MockGenerator());
    }

    public static WorkerExtension of(Generator generator) {
        return new WorkerExtension(generator);
    }

    /// Adds an environment variable.
    public WorkerExtension with(String name, String value) {
        return with(name, () -> value);
    }

    /// Adds an environment variable whose value is known when the worker starts, such as one with a path of a
    /// `@TempDir`.
    public WorkerExtension with(String name, Callable<String> value) {
        environment.put(name, value);
        return this;
    }

    /// Measures how long clients take by this clock.
    public WorkerExtension with(ManualClock manual) {
        clock = _ -> manual;
        return this;
    }

    @Override
    public HttpPort port() {
        return Objects.requireNonNull(running, "the worker runs only during the tests")
                .port();
    }

    public CamelContext context() {
        return Objects.requireNonNull(running, "the worker runs only during the tests")
                .context();
    }

    private void start() throws Exception {
        var variables = new HashMap<String, String>();
        for (var entry : environment.entrySet()) {
            variables.put(entry.getKey(), entry.getValue().call());
        }
        running = new RunningWorker(generator, variables, stats, clock);
    }

    private void stop() {
        Objects.requireNonNull(running).close();
        running = null;
    }

    @Override
    public void beforeAll(ExtensionContext context) throws Exception {
        servesTheClass = true;
        start();
    }

    @Override
    public void afterAll(ExtensionContext context) {
        stop();
    }

    @Override
    public void beforeEach(ExtensionContext context) throws Exception {
        if (!servesTheClass) {
            start();
        }
    }

    @Override
    public void afterEach(ExtensionContext context) {
        if (!servesTheClass) {
            stop();
        }
    }
}
