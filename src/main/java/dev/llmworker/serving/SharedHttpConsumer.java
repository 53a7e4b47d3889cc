package dev.llmworker.serving;

import io.vertx.core.Handler;
import io.vertx.ext.web.RoutingContext;
import java.util.List;
import org.apache.camel.Exchange;
import org.apache.camel.ExchangePattern;
import org.apache.camel.Processor;
import org.apache.camel.Route;
import org.apache.camel.component.platform.http.PlatformHttpEndpoint;
import org.apache.camel.component.platform.http.spi.PlatformHttpConsumerAware;
import org.apache.camel.component.platform.http.vertx.VertxPlatformHttpConsumer;
import org.apache.camel.model.OnExceptionDefinition;
import org.apache.camel.model.ProcessDefinition;
import org.apache.camel.model.ProcessorDefinition;
import org.apache.camel.model.RouteDefinition;

/// Runs a route for each HTTP request, on a virtual thread, and writes the answer at once; the stock one sends each
/// answer through a stream and its own thread, which takes more than the rest together. A route that has only steps
/// that never wait stays on the event loop.
///
/// Threading: called on the event loops.
final class SharedHttpConsumer extends VertxPlatformHttpConsumer {
    private boolean neverWaits;

    SharedHttpConsumer(
            PlatformHttpEndpoint endpoint,
            Processor processor,
            List<Handler<RoutingContext>> handlers,
            String routerName) {
        super(endpoint, processor, handlers, routerName);
    }

    @Override
    protected void doStart() throws Exception {
        // Camel tells the route to a consumer in front of this one.
        neverWaits = getEndpoint().getCamelContext().getRoutes().stream()
                .anyMatch(route -> route.getConsumer() instanceof PlatformHttpConsumerAware front
                        && front.getPlatformHttpConsumer() == this
                        && neverWaits(route));
        super.doStart();
    }

    /// Whether each step, as the route's file has it, is an [EventLoopProcessor]. What a route does with a failure does
    /// not count: these steps have none of their own.
    private static boolean neverWaits(Route route) {
        return route.getRoute() instanceof RouteDefinition definition
                && definition.getOutputs().stream()
                        .filter(step -> !(step instanceof OnExceptionDefinition))
                        .allMatch(step -> neverWaits(step, route));
    }

    private static boolean neverWaits(ProcessorDefinition<?> step, Route route) {
        return step instanceof ProcessDefinition process
                && process.getRef() != null
                && route.getCamelContext().getRegistry().lookupByName(process.getRef()) instanceof EventLoopProcessor;
    }

    @Override
    protected void handleRequest(RoutingContext request) {
        if (isSuspended() || getEndpoint().isHttpProxy()) {
            super.handleRequest(request);
            return;
        }
        var exchange = createExchange(false);
        exchange.setPattern(ExchangePattern.InOut);
        processHttpRequest(exchange, request).onComplete(read -> {
            if (read.failed()) {
                fail(exchange, request, read.cause());
            } else if (neverWaits) {
                runHere(exchange, request);
            } else {
                request.vertx().executeBlocking(() -> run(exchange), false).onComplete(routed -> {
                    if (routed.succeeded()) {
                        answer(exchange, request);
                    } else {
                        fail(exchange, request, routed.cause());
                    }
                });
            }
        });
    }

    private void runHere(Exchange exchange, RoutingContext request) {
        try {
            run(exchange);
        } catch (Exception e) {
            fail(exchange, request, e);
            return;
        }
        answer(exchange, request);
    }

    private Exchange run(Exchange exchange) throws Exception {
        createUoW(exchange);
        getProcessor().process(exchange);
        return exchange;
    }

    private void answer(Exchange exchange, RoutingContext request) {
        if (exchange.getException() != null) {
            // Neither handled by the route nor new: Camel has logged it.
            request.fail(exchange.getException());
            done(exchange);
            return;
        }
        RouteResponse.write(exchange, request, getEndpoint().getHeaderFilterStrategy())
                .onComplete(written -> {
                    if (written.succeeded()) {
                        done(exchange);
                    } else {
                        fail(exchange, request, written.cause());
                    }
                });
    }

    private void fail(Exchange exchange, RoutingContext request, Throwable failure) {
        getExceptionHandler().handleException("cannot answer " + getEndpoint().getPath(), failure);
        if (request.response().headWritten()) {
            // Half an answer, which must not look whole.
            request.request().connection().close();
        } else {
            request.fail(failure);
        }
        if (getEndpoint().isHandleWriteResponseError()) {
            exchange.setProperty(Exchange.EXCEPTION_CAUGHT, failure);
            exchange.setException(failure);
        }
        done(exchange);
    }

    private void done(Exchange exchange) {
        doneUoW(exchange);
        releaseExchange(exchange, false);
    }
}
