package dev.llmworker.serving.camel;

import dev.llmworker.serving.access.PathRules;
import dev.llmworker.serving.access.PathRules.Place;
import dev.llmworker.serving.access.PathRules.Rule;
import dev.llmworker.serving.wire.UsesRegex;
import java.util.Collection;
import java.util.EnumSet;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import org.apache.camel.Route;
import org.apache.camel.component.platform.http.PlatformHttpEndpoint;
import org.apache.camel.component.vertx.websocket.VertxWebsocketEndpoint;
import org.apache.camel.support.LifecycleStrategySupport;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Reads the rules that routes have for their own paths: words in the `group` of a route, such as
/// `group: keyless served-while-draining`. Camel finds this class by its type in the registry.
@UsesRegex("the group and the methods of a route")
public final class RoutePaths extends LifecycleStrategySupport {
    private static final Logger LOG = LoggerFactory.getLogger(RoutePaths.class);

    private final PathRules rules;
    private final Set<String> healthPaths;

    /// @param healthPaths the paths that the port itself answers as `/ping`
    public RoutePaths(PathRules rules, Set<String> healthPaths) {
        this.rules = rules;
        this.healthPaths = healthPaths;
    }

    @Override
    public void onRoutesAdd(Collection<Route> routes) {
        for (var route : routes) {
            if (route.getEndpoint() instanceof PlatformHttpEndpoint http && healthPaths.contains(http.getPath())) {
                LOG.warn(
                        "route {}: {} is a health check, which the route of /ping answers; this route gets no request",
                        route.getRouteId(),
                        http.getPath());
            }
            var said = said(route);
            if (!said.isEmpty()) {
                rules.set(route, places(route, said));
            }
        }
    }

    @Override
    public void onRoutesRemove(Collection<Route> routes) {
        routes.forEach(rules::remove);
    }

    private static Set<Rule> said(Route route) {
        var said = EnumSet.noneOf(Rule.class);
        var group = route.getGroup();
        if (group != null) {
            var words = List.of(group.split("[\\s,]+"));
            for (var rule : Rule.values()) {
                if (words.contains(rule.word())) {
                    said.add(rule);
                }
            }
        }
        return said;
    }

    private static Map<Place, Set<Rule>> places(Route route, Set<Rule> said) {
        var places = new HashMap<Place, Set<Rule>>();
        switch (route.getEndpoint()) {
            case PlatformHttpEndpoint http
            when fits(http, said) -> {
                var methods = http.getHttpMethodRestrict();
                for (var method : methods == null ? new String[] {Place.ANY} : methods.split(",")) {
                    places.put(new Place(method.strip().toUpperCase(Locale.ROOT), http.getPath()), said);
                }
            }
            case VertxWebsocketEndpoint socket
            when isExact(path(socket)) -> places.put(new Place(Place.WEBSOCKET, path(socket)), said);
            default ->
                LOG.warn(
                        "route {}: its group has {}, which only a platform-http or vertx-websocket route with an exact path may have; ignored",
                        route.getRouteId(),
                        said.stream().map(Rule::word).toList());
        }
        return places;
    }

    /// A path without keys must be exact. One that is served while the worker drains may have parameters.
    private static boolean fits(PlatformHttpEndpoint endpoint, Set<Rule> said) {
        var path = endpoint.getPath();
        return !endpoint.isMatchOnUriPrefix()
                && (isExact(path) || !said.contains(Rule.KEYLESS) && path.indexOf('*') < 0);
    }

    private static boolean isExact(String path) {
        return path.indexOf('{') < 0 && path.indexOf('*') < 0;
    }

    private static String path(VertxWebsocketEndpoint endpoint) {
        return endpoint.getConfiguration().getWebsocketURI().getPath();
    }
}
