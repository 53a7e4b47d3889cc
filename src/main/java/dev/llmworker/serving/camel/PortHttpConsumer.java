package dev.llmworker.serving.camel;

import dev.llmworker.serving.access.Access;
import io.vertx.core.Future;
import io.vertx.core.Handler;
import io.vertx.ext.web.RoutingContext;
import io.vertx.ext.web.impl.RoutingContextInternal;
import java.util.List;
import org.apache.camel.Exchange;
import org.apache.camel.ExchangePattern;
import org.apache.camel.Message;
import org.apache.camel.Processor;
import org.apache.camel.Route;
import org.apache.camel.component.platform.http.PlatformHttpEndpoint;
import org.apache.camel.component.platform.http.spi.PlatformHttpConsumerAware;
import org.apache.camel.component.platform.http.vertx.VertxPlatformHttpConsumer;
import org.apache.camel.model.OnExceptionDefinition;
import org.apache.camel.model.ProcessDefinition;
import org.apache.camel.model.RouteDefinition;
import org.jspecify.annotations.Nullable;

/// Runs a route for each HTTP request on a virtual thread, and writes the answer at once. Camel's own consumer sends
/// each answer through a stream and its own thread, which costs more than the rest together. A route of nothing but
/// [EventLoopProcessor] steps, such as `/ping`, runs on the event loop itself. `docs/decisions/0011` has the figures.
///
/// Threading: called on the event loops.
final class PortHttpConsumer extends VertxPlatformHttpConsumer implements PortConsumer {
    private boolean runsOnEventLoop;
    private DeclaredNames declared = DeclaredNames.NONE;
    private RouteUse use = new RouteUse();
    private volatile @Nullable PortHttpConsumer newer;

    PortHttpConsumer(
            PlatformHttpEndpoint endpoint,
            Processor processor,
            List<Handler<RoutingContext>> handlers,
            String routerName) {
        super(endpoint, processor, handlers, routerName);
    }

    @Override
    protected void doStart() throws Exception {
        // Camel sets the route of the consumer that stands in front of this one, not of this one.
        var route = getEndpoint().getCamelContext().getRoutes().stream()
                .filter(it -> it.getConsumer() instanceof PlatformHttpConsumerAware front
                        && front.getPlatformHttpConsumer() == this)
                .findFirst();
        runsOnEventLoop = route.filter(PortHttpConsumer::hasEventLoopStepsOnly).isPresent();
        declared = route.map(DeclaredNames::of).orElse(DeclaredNames.NONE);
        use = route.map(RouteUse::of).orElse(use);
        super.doStart();
    }

    /// Camel adds the interceptors and `onCompletion` of route configurations to the steps, so a route that has one
    /// runs on a virtual thread. Error handlers do not count: an [EventLoopProcessor] only fails if it has a bug.
    private static boolean hasEventLoopStepsOnly(Route route) {
        return route.getRoute() instanceof RouteDefinition definition
                && definition.getOutputs().stream()
                        .filter(step -> !(step instanceof OnExceptionDefinition))
                        .allMatch(step -> step instanceof ProcessDefinition process
                                && process.getRef() != null
                                && route.getCamelContext().getRegistry().lookupByName(process.getRef())
                                        instanceof EventLoopProcessor);
    }

    @Override
    protected void handleRequest(RoutingContext request) {
        if (PortWebsocketHost.isHandshake(request)) {
            request.next();
            return;
        }
        if (!use.begin()) {
            // Its body may have taken so long that this version was replaced meanwhile.
            var next = newer;
            if (next == null) {
                request.next();
            } else {
                next.handleRequest(request);
            }
            return;
        }
        if (!Access.admitsHttp(request.request())) {
            giveBack(request);
            use.done();
            return;
        }
        if (isSuspended()) {
            giveBack(request);
            use.done();
            request.fail(503);
            return;
        }
        try {
            var exchange = createExchange(false);
            exchange.setPattern(ExchangePattern.InOut);
            processHttpRequest(exchange, request)
                    .compose(_ -> runsOnEventLoop
                            ? runHere(exchange, request)
                            : request.vertx().executeBlocking(() -> run(exchange, request), false))
                    .onFailure(failure -> fail(exchange, request, failure));
        } catch (RuntimeException | Error e) {
            giveBack(request);
            use.done();
            throw e;
        }
    }

    /// Of one endpoint are one path, one set of methods and one of media types.
    @Override
    public boolean isAt(PortConsumer other) {
        return other instanceof PortHttpConsumer http && http.getEndpoint() == getEndpoint();
    }

    @Override
    public void giveWay(@Nullable PortConsumer newer) {
        this.newer = (PortHttpConsumer) newer;
        var _ = use.replaced();
    }

    /// The message has the body now, and steps replace it. The context of the request would hold it until the end.
    @Override
    protected Future<Void> populateCamelMessage(RoutingContext request, Exchange exchange, Message message) {
        var read = super.populateCamelMessage(request, exchange, message);
        declared.fill(message, request, exchange);
        return read.onSuccess(_ -> {
            if (request.body().buffer() != null && request instanceof RoutingContextInternal internal) {
                internal.setBody(null);
            }
        });
    }

    private static void giveBack(RoutingContext request) {
        var memory = BodyReader.memory(request);
        if (memory != null) {
            memory.close();
        }
    }

    private Future<Exchange> runHere(Exchange exchange, RoutingContext request) {
        try {
            return Future.succeededFuture(run(exchange, request));
        } catch (Exception e) {
            return Future.failedFuture(e);
        }
    }

    /// Runs the route and writes its answer on one thread: each change of threads costs more than most steps.
    private Exchange run(Exchange exchange, RoutingContext request) throws Exception {
        createUoW(exchange);
        getProcessor().process(exchange);
        answer(exchange, request);
        return exchange;
    }

    private void answer(Exchange exchange, RoutingContext request) {
        if (exchange.getException() != null) {
            // No error handler of the route took it. Camel has logged it.
            request.fail(exchange.getException());
            done(exchange, request);
            return;
        }
        RouteResponse.write(exchange, request, getEndpoint().getHeaderFilterStrategy())
                .onComplete(written -> {
                    if (written.succeeded()) {
                        done(exchange, request);
                    } else {
                        fail(exchange, request, written.cause());
                    }
                });
    }

    private void fail(Exchange exchange, RoutingContext request, Throwable failure) {
        getExceptionHandler().handleException("cannot answer " + getEndpoint().getPath(), failure);
        if (request.response().headWritten()) {
            // Half of the answer is sent, and it must not look complete.
            request.request().connection().close();
        } else {
            request.fail(failure);
        }
        if (getEndpoint().isHandleWriteResponseError()) {
            exchange.setProperty(Exchange.EXCEPTION_CAUGHT, failure);
            exchange.setException(failure);
        }
        done(exchange, request);
    }

    /// The steps of `onCompletion` run here. They may wait, so only a route that never waits ends on the event loop.
    private void done(Exchange exchange, RoutingContext request) {
        giveBack(request);
        if (runsOnEventLoop || Thread.currentThread().isVirtual()) {
            release(exchange);
        } else {
            request.vertx().executeBlocking(() -> release(exchange), false);
        }
    }

    private Exchange release(Exchange exchange) {
        try {
            doneUoW(exchange);
            releaseExchange(exchange, false);
        } finally {
            use.done();
        }
        return exchange;
    }
}
