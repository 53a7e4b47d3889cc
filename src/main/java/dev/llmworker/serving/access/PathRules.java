package dev.llmworker.serving.access;

import io.vertx.core.http.HttpMethod;
import io.vertx.core.http.HttpServerRequest;
import java.util.Map;
import java.util.Set;
import java.util.StringTokenizer;
import java.util.concurrent.ConcurrentHashMap;

/// What routes say of their own paths to the port in front of them. A path is compared character by character: a router
/// may read another spelling as the same path, but no rule does.
///
/// Threading: any thread.
public final class PathRules {
    /// What a route may ask for.
    public enum Rule {
        /// Requests need no API key.
        KEYLESS("keyless"),
        /// Requests are answered to the end while the worker drains. The path may have parameters.
        SERVED_WHILE_DRAINING("served-while-draining");

        private final String word;

        Rule(String word) {
            this.word = word;
        }

        /// How a route spells it.
        public String word() {
            return word;
        }
    }

    /// @param method of HTTP; [#ANY] for each, [#WEBSOCKET] for handshakes
    public record Place(String method, String path) {
        public static final String ANY = "*";
        public static final String WEBSOCKET = "WebSocket";
        private static final String SLASH = "/";

        /// Whether the path of a request is this one with values in the place of parameters such as `{id}`. A value
        /// with an escape is none: a router may read a slash in it.
        boolean covers(Place asked) {
            if (path.indexOf('{') < 0 || !method.equals(asked.method)) {
                return false;
            }
            var own = new StringTokenizer(path, SLASH, true);
            var others = new StringTokenizer(asked.path, SLASH, true);
            while (own.hasMoreTokens() && others.hasMoreTokens()) {
                var part = own.nextToken();
                var value = others.nextToken();
                var isParameter = part.startsWith("{") && part.endsWith("}");
                var fits = isParameter ? !value.equals(SLASH) && value.indexOf('%') < 0 : part.equals(value);
                if (!fits) {
                    return false;
                }
            }
            return !own.hasMoreTokens() && !others.hasMoreTokens();
        }
    }

    private final Map<Object, Map<Place, Set<Rule>>> byRoute = new ConcurrentHashMap<>();

    public PathRules() {
        // The port itself answers `/ping` until the routes are there.
        set("", Map.of(new Place("GET", "/ping"), Set.of(Rule.KEYLESS)));
    }

    /// Replaces what a route has said.
    ///
    /// @param route one version of it: two versions may be there at once
    public void set(Object route, Map<Place, Set<Rule>> rules) {
        byRoute.put(route, rules);
    }

    /// A route is gone.
    public void remove(Object route) {
        byRoute.remove(route);
    }

    /// Whether a rule holds for a request: HEAD counts as GET.
    public boolean has(Rule rule, HttpServerRequest request) {
        var path = request.path();
        if (Access.isHandshake(request)) {
            return has(rule, new Place(Place.WEBSOCKET, path));
        }
        var method = request.method() == HttpMethod.HEAD ? HttpMethod.GET : request.method();
        return has(rule, new Place(method.name(), path)) || has(rule, new Place(Place.ANY, path));
    }

    private boolean has(Rule rule, Place place) {
        for (var rules : byRoute.values()) {
            if (rules.getOrDefault(place, Set.of()).contains(rule)) {
                return true;
            }
            for (var entry : rules.entrySet()) {
                if (entry.getValue().contains(rule) && entry.getKey().covers(place)) {
                    return true;
                }
            }
        }
        return false;
    }
}
