package dev.llmworker.routes;

import dev.llmworker.serving.camel.PortConsumer;
import java.util.ArrayList;
import java.util.Collections;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import org.apache.camel.Route;
import org.apache.camel.impl.DefaultCamelContext;
import org.apache.camel.impl.engine.RouteService;
import org.apache.camel.model.RouteDefinition;
import org.apache.camel.spi.RouteStartupOrder;
import org.apache.camel.support.service.ServiceHelper;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// A Camel context in which two versions of a route may be started at once. Camel has one route for each id and for
/// each endpoint, and stops it before it starts another. So an old version is taken out of Camel's lists: it runs on,
/// but nothing finds it there. The new version starts under the same ids and takes the requests. The old one is
/// stopped when nothing runs in it any more.
///
/// Threading: one thread at a time, except that old versions end on threads of their own.
final class WorkerContext extends DefaultCamelContext {
    private static final Logger LOG = LoggerFactory.getLogger("dev.llmworker.Worker");

    /// What one start of a file has added to Camel's lists.
    record Version(List<RouteService> services, List<RouteStartupOrder> orders, List<RouteDefinition> definitions) {
        static final Version NONE = new Version(List.of(), List.of(), List.of());

        private List<Route> routes() {
            return services.stream().map(RouteService::getRoute).toList();
        }
    }

    interface Starting {
        void run() throws Exception;
    }

    WorkerContext() {
        super(false);
    }

    /// Runs `starting`, which adds routes. What it has added is gone again if it fails.
    Version start(Starting starting) throws Exception {
        var services = identities(getRouteServices().values());
        var orders = identities(startupOrder());
        var definitions = identities(getRouteDefinitions());
        var complete = false;
        try {
            starting.run();
            complete = true;
        } finally {
            if (!complete) {
                var failed = added(services, orders, definitions);
                letGo(failed);
                for (var strategy : getLifecycleStrategies()) {
                    strategy.onRoutesRemove(failed.routes());
                }
                end(failed);
            }
        }
        return added(services, orders, definitions);
    }

    private Version added(Set<RouteService> services, Set<RouteStartupOrder> orders, Set<RouteDefinition> definitions) {
        return new Version(
                without(getRouteServices().values(), services),
                without(startupOrder(), orders),
                without(getRouteDefinitions(), definitions));
    }

    private static <T> Set<T> identities(Iterable<T> all) {
        Set<T> set = Collections.newSetFromMap(new IdentityHashMap<>());
        all.forEach(set::add);
        return set;
    }

    private static <T> List<T> without(Iterable<T> all, Set<T> some) {
        var rest = new ArrayList<T>();
        for (var one : all) {
            if (!some.contains(one)) {
                rest.add(one);
            }
        }
        return List.copyOf(rest);
    }

    private List<RouteStartupOrder> startupOrder() {
        return getCamelContextExtension().getRouteStartupOrder();
    }

    /// Takes routes out of Camel's lists; they run on. Consumers that cannot be there twice take nothing any more.
    void letGo(Version version) {
        getRouteServices().values().removeAll(version.services);
        startupOrder().removeAll(version.orders);
        getRouteDefinitions().removeAll(version.definitions);
        for (var route : version.routes()) {
            getCamelContextExtension().removeRoute(route);
            if (PortConsumer.of(route) == null) {
                ServiceHelper.suspendService(route.getConsumer());
            }
        }
    }

    /// Undoes [#letGo].
    void takeBack(Version version) {
        version.services.forEach(service -> getRouteServices().put(service.getId(), service));
        startupOrder().addAll(version.orders);
        getRouteDefinitions().addAll(version.definitions);
        for (var route : version.routes()) {
            getCamelContextExtension().addRoute(route);
            if (PortConsumer.of(route) == null) {
                ServiceHelper.resumeService(route.getConsumer());
            }
        }
    }

    /// From now on `newer` gets what came to `old`, which Camel has let go. What runs in `old` ends there.
    void replace(Version old, Version newer) {
        var unused = old.routes().stream()
                .map(route -> PortConsumer.replace(route, newer.routes()))
                .toArray(CompletableFuture[]::new);
        CompletableFuture.allOf(unused).thenRunAsync(() -> end(old), Thread::startVirtualThread);
    }

    /// Stops routes that are in none of Camel's lists. Their endpoints stay, because other routes may use them.
    private static void end(Version version) {
        for (var service : version.services) {
            try {
                var parts = service.getRoute().getServices().stream()
                        .flatMap(part -> ServiceHelper.getChildServices(part).stream())
                        .toList();
                service.stop();
                ServiceHelper.stopAndShutdownServices(parts);
            } catch (Exception e) {
                LOG.warn("an old version of route {} cannot be stopped", service.getId(), e);
            }
        }
    }
}
