package dev.llmworker.serving.camel;

import io.vertx.core.Context;
import io.vertx.core.Handler;
import io.vertx.core.buffer.Buffer;
import io.vertx.ext.web.RoutingContext;
import java.util.List;
import org.apache.camel.Exchange;
import org.apache.camel.ExchangePattern;
import org.apache.camel.Processor;
import org.apache.camel.component.platform.http.PlatformHttpEndpoint;
import org.apache.camel.component.platform.http.spi.PlatformHttpConsumerAware;
import org.apache.camel.component.platform.http.vertx.VertxPlatformHttpConsumer;

/// Runs a route for each HTTP request, on a virtual thread, and writes the answer at once; the stock one sends each
/// answer through a stream and its own thread, which takes more than the rest together. A route whose steps hold up
/// nobody begins on the event loop, unless the body is a long one.
///
/// Threading: called on the event loops.
final class SharedHttpConsumer extends VertxPlatformHttpConsumer {
    // What takes JSON a tenth of a millisecond at most.
    private static final int SHORT_BODY_BYTES = 16 << 10;

    private boolean holdsUpNobody;

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
        holdsUpNobody = getEndpoint().getCamelContext().getRoutes().stream()
                .anyMatch(route -> route.getConsumer() instanceof PlatformHttpConsumerAware front
                        && front.getPlatformHttpConsumer() == this
                        && EventLoopSteps.areAllOf(route));
        super.doStart();
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
            } else if (holdsUpNobody && hasShortBody(exchange)) {
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

    /// A body that is a stream is read from the event loop itself.
    private static boolean hasShortBody(Exchange exchange) {
        var body = exchange.getMessage().getBody();
        return body == null || body instanceof Buffer bytes && bytes.length() <= SHORT_BODY_BYTES;
    }

    private void runHere(Exchange exchange, RoutingContext request) {
        var eventLoop = request.vertx().getOrCreateContext();
        try {
            createUoW(exchange);
        } catch (Exception e) {
            fail(exchange, request, e);
            return;
        }
        getAsyncProcessor().process(exchange, _ -> {
            if (Context.isOnEventLoopThread()) {
                answer(exchange, request);
            } else {
                eventLoop.runOnContext(_ -> answer(exchange, request));
            }
        });
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
