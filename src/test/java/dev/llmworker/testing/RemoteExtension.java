package dev.llmworker.testing;

import dev.llmworker.remote.RemoteGenerator;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.extension.AfterEachCallback;
import org.junit.jupiter.api.extension.BeforeEachCallback;
import org.junit.jupiter.api.extension.ExtensionContext;

/// Starts a scripted server, and a worker that relays to it, before each test. After the test it checks that the worker
/// is idle, and stops both.
public final class RemoteExtension implements BeforeEachCallback, AfterEachCallback {
    private final Map<String, String> environment;
    private @Nullable ScriptedServer server;
    private @Nullable RemoteWorker remote;

    public RemoteExtension() {
        this(Map.of());
    }

    public RemoteExtension(Map<String, String> environment) {
        this.environment = environment;
    }

    public ScriptedServer server() {
        return Objects.requireNonNull(server);
    }

    private RemoteWorker remote() {
        return Objects.requireNonNull(remote);
    }

    public RunningWorker worker() {
        return remote().worker;
    }

    public RemoteGenerator generator() {
        return remote().generator;
    }

    /// Gives the worker the chance to read from the server and from its clients.
    public void turnEventLoops() {
        remote().turnEventLoops();
    }

    public void assertIdle() {
        remote().assertIdle();
    }

    @Override
    public void beforeEach(ExtensionContext context) throws Exception {
        server = new ScriptedServer();
        remote = new RemoteWorker(environment, server);
        remote.awaitReady();
    }

    @Override
    public void afterEach(ExtensionContext context) throws Exception {
        try {
            assertIdle();
        } finally {
            remote().close();
            server().close();
        }
    }
}
