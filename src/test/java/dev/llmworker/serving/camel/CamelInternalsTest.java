package dev.llmworker.serving.camel;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.llmworker.generation.MockGenerator;
import dev.llmworker.testing.RunningWorker;
import java.util.Objects;
import org.apache.camel.Route;
import org.apache.camel.component.platform.http.spi.PlatformHttpConsumerAware;
import org.apache.camel.component.vertx.websocket.VertxWebsocketEndpoint;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/// What the worker relies on inside Camel. Without these, routes would still be served, but slower, or their messages
/// out of order. `docs/upgrading.md` lists them all.
class CamelInternalsTest {
    private RunningWorker worker;

    @BeforeEach
    void start() throws Exception {
        worker = RunningWorker.with(new MockGenerator());
    }

    @AfterEach
    void stop() {
        worker.close();
    }

    private Route route(String id) {
        return Objects.requireNonNull(worker.context().getRoute(id));
    }

    @Test
    void camelTakesItsHttpConsumersFromOurEngine() {
        var front = assertInstanceOf(
                PlatformHttpConsumerAware.class,
                route("ping").getConsumer(),
                "platform-http's consumer no longer hands over the one behind it, by which PortHttpConsumer finds"
                        + " its route");
        assertInstanceOf(
                PortHttpConsumer.class,
                front.getPlatformHttpConsumer(),
                "platform-http no longer takes its consumers from the engine that is set on the component");
    }

    @Test
    void camelTakesItsWebSocketConsumersFromOurEndpoint() {
        assertInstanceOf(
                PortWebsocketConsumer.class,
                route("ws").getConsumer(),
                "vertx-websocket no longer takes its endpoints from createEndpointInstance: messages would overtake each"
                        + " other");
    }

    @Test
    void webSocketsAreServedAtThePortThatIsOpen() {
        var endpoint = (VertxWebsocketEndpoint) route("ws").getEndpoint();
        assertEquals(
                worker.port.port(),
                endpoint.getConfiguration().getWebsocketURI().getPort(),
                "vertx-websocket no longer has its port from the component");
    }

    @Test
    void virtualThreadsServeWhatVertxRunsBesideItsEventLoops() throws Exception {
        var thread = worker.port
                .vertx()
                .executeBlocking(Thread::currentThread)
                .toCompletionStage()
                .toCompletableFuture()
                .get();
        assertTrue(
                thread.isVirtual(),
                "Vert.x no longer asks the ExecutorServiceFactory of META-INF/services, VirtualWorkers: 20 threads would"
                        + " be the most requests at once");
    }
}
