package dev.llmworker.serving.camel;

import org.apache.camel.Processor;
import org.apache.camel.component.platform.http.PlatformHttpEndpoint;
import org.apache.camel.component.platform.http.spi.PlatformHttpConsumer;
import org.apache.camel.component.platform.http.vertx.VertxPlatformHttpEngine;
import org.apache.camel.component.platform.http.vertx.VertxPlatformHttpRouter;

/// Camel's engine for `platform-http`, with a consumer that costs less CPU per request.
public final class PortHttpEngine extends VertxPlatformHttpEngine {
    @Override
    public PlatformHttpConsumer createConsumer(PlatformHttpEndpoint endpoint, Processor processor) {
        refuseProxy(endpoint);
        return new PortHttpConsumer(
                endpoint, processor, getHandlers(), VertxPlatformHttpRouter.getRouterNameFromPort(getServerPort()));
    }

    /// In Camel 4.22.0, a path that begins with `proxy`, without a slash, is a proxy for every path. It forwards to the
    /// host that the client names (CVE-2026-85316). The worker has no such proxy.
    private static void refuseProxy(PlatformHttpEndpoint endpoint) {
        if (endpoint.isHttpProxy()) {
            throw new IllegalArgumentException(
                    "platform-http: a path must begin with /; without it, a name that begins with \"proxy\" would make"
                            + " the worker a proxy for every path");
        }
    }
}
