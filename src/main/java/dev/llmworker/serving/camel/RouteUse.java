package dev.llmworker.serving.camel;

import java.util.List;
import java.util.Objects;
import java.util.concurrent.CompletableFuture;
import org.apache.camel.CamelContext;
import org.apache.camel.Exchange;
import org.apache.camel.NamedNode;
import org.apache.camel.Route;
import org.apache.camel.spi.RoutePolicy;
import org.apache.camel.spi.RoutePolicyFactory;
import org.apache.camel.support.RoutePolicySupport;

/// Counts what runs in one version of a route, so that a version that was replaced is stopped after its last exchange.
///
/// Threading: any thread.
public final class RouteUse extends RoutePolicySupport {
    private static final String PROPERTY = RouteUse.class.getName();

    private final CompletableFuture<Void> unused = new CompletableFuture<>();
    private int running;
    private boolean replaced;

    /// Gives each route a counter. Camel finds this class by its type in the registry.
    public static final class Counters implements RoutePolicyFactory {
        @Override
        public RoutePolicy createRoutePolicy(CamelContext context, String routeId, NamedNode route) {
            return new RouteUse();
        }
    }

    /// The same one for a route each time, whether or not it has a policy.
    static RouteUse of(Route route) {
        return Objects.requireNonNullElse(route.getRoutePolicyList(), List.<RoutePolicy>of()).stream()
                .filter(RouteUse.class::isInstance)
                .map(RouteUse.class::cast)
                .findFirst()
                .orElseGet(() -> (RouteUse) route.getProperties().computeIfAbsent(PROPERTY, _ -> new RouteUse()));
    }

    /// Something that the port took for this version begins.
    ///
    /// @return false if a newer version must take it
    synchronized boolean begin() {
        if (replaced) {
            return false;
        }
        running++;
        return true;
    }

    synchronized void done() {
        running--;
        look();
    }

    /// Nothing begins any more.
    ///
    /// @return completed once nothing runs
    synchronized CompletableFuture<Void> replaced() {
        replaced = true;
        look();
        return unused;
    }

    private void look() {
        if (replaced && running == 0) {
            unused.complete(null);
        }
    }

    /// Exchanges count from whatever consumer they come; those of a step of another route may come late.
    @Override
    public synchronized void onExchangeBegin(Route route, Exchange exchange) {
        running++;
    }

    @Override
    public void onExchangeDone(Route route, Exchange exchange) {
        done();
    }
}
