package dev.llmworker.serving.camel;

import java.util.List;
import java.util.concurrent.CompletableFuture;
import org.apache.camel.Consumer;
import org.apache.camel.Route;
import org.apache.camel.component.platform.http.spi.PlatformHttpConsumerAware;
import org.jspecify.annotations.Nullable;

/// The consumer of a route on the port. A newer version of the route can take its place while both are started: at each
/// moment one of the two serves. What runs in the old version ends there.
public sealed interface PortConsumer permits PortHttpConsumer, PortWebsocketConsumer {
    /// Whether it serves the very place that `other` serves.
    boolean isAt(PortConsumer other);

    /// From now on `newer` gets what comes here; if it is null, nobody does.
    void giveWay(@Nullable PortConsumer newer);

    /// The consumer of a started route; null if it is not on the port.
    static @Nullable PortConsumer of(Route route) {
        return of(route.getConsumer());
    }

    private static @Nullable PortConsumer of(@Nullable Consumer consumer) {
        return switch (consumer) {
            case PortConsumer port -> port;
            case PlatformHttpConsumerAware front
            when front.getPlatformHttpConsumer() instanceof PortConsumer port -> port;
            case null, default -> null;
        };
    }

    /// Has the newer version of a route take its place.
    ///
    /// @param newer the newer routes of the same file
    /// @return completed once nothing runs in `old`
    static CompletableFuture<Void> replace(Route old, List<Route> newer) {
        // What the old version allowed, for instance requests without a key, must not outlast it.
        var paths = old.getCamelContext().getRegistry().findSingleByType(RoutePaths.class);
        if (paths != null) {
            paths.onRoutesRemove(List.of(old));
        }
        var consumer = of(old);
        if (consumer != null) {
            consumer.giveWay(newer.stream()
                    .map(PortConsumer::of)
                    .filter(it -> it != null && consumer.isAt(it))
                    .findFirst()
                    .orElse(null));
        }
        return RouteUse.of(old).replaced();
    }
}
