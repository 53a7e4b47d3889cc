package dev.llmworker.routes;

import java.util.Arrays;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.apache.camel.CamelContext;
import org.apache.camel.component.vertx.websocket.VertxWebsocketEndpoint;
import org.apache.camel.model.RouteDefinition;
import org.apache.camel.util.URISupport;
import org.jspecify.annotations.Nullable;

/// A path that a route serves, by HTTP or by WebSocket. Two routes that serve the same one would hide each other: which
/// of them answers would depend on the names of their files.
///
/// @param methods of HTTP in upper case, empty for all of them; [#WEBSOCKET] for WebSockets
/// @param path with `*` at its end if it is a prefix
/// @param consumes the media types of requests, empty for all
/// @param produces the media types of answers, empty for all
record ServedPath(Set<String> methods, String path, Set<String> consumes, Set<String> produces) {
    private static final Set<String> WEBSOCKET = Set.of("WebSocket");
    private static final Pattern SLASHES = Pattern.compile("/+");
    private static final Pattern LAST_SLASH = Pattern.compile("(?<=.)/$");
    private static final Pattern PARAMETER = Pattern.compile("\\{[^/}]+}|(?<=/):[^/]+");

    /// What a route serves; null if it serves nothing on the port, or if its address is wrong: the start reports that.
    static @Nullable ServedPath of(CamelContext context, RouteDefinition route) {
        try {
            var uri = context.resolvePropertyPlaceholders(route.getInput().getEndpointUri());
            var scheme = uri.substring(0, Math.max(0, uri.indexOf(':')));
            var question = uri.indexOf('?');
            var address = uri.substring(scheme.length() + 1, question < 0 ? uri.length() : question);
            var options = question < 0 ? Map.<String, Object>of() : URISupport.parseQuery(uri.substring(question + 1));
            return switch (scheme) {
                case "platform-http" -> http(address, options);
                case "rest" -> rest(context, address, options);
                case "vertx-websocket" -> webSocket(context, uri);
                default -> null;
            };
        } catch (Exception _) {
            return null;
        }
    }

    private static ServedPath http(String address, Map<String, Object> options) {
        var prefix = "true".equals(options.get("matchOnUriPrefix")) ? "*" : "";
        return new ServedPath(
                words(options.get("httpMethodRestrict")),
                clean(address + prefix),
                words(options.get("consumes")),
                words(options.get("produces")));
    }

    /// `rest:get:orders:/{id}`
    private static ServedPath rest(CamelContext context, String address, Map<String, Object> options) {
        var parts = address.split(":", 3);
        var configuration = context.getRestConfiguration();
        var base = configuration == null ? null : configuration.getContextPath();
        var path = (base == null ? "" : base) + "/" + parts[1] + "/" + (parts.length > 2 ? parts[2] : "");
        return new ServedPath(
                words(parts[0]), clean(path), words(options.get("consumes")), words(options.get("produces")));
    }

    private static @Nullable ServedPath webSocket(CamelContext context, String uri) {
        var configuration =
                context.getEndpoint(uri, VertxWebsocketEndpoint.class).getConfiguration();
        return configuration.isConsumeAsClient()
                ? null
                : new ServedPath(
                        WEBSOCKET, clean(configuration.getWebsocketURI().getPath()), Set.of(), Set.of());
    }

    private static Set<String> words(@Nullable Object list) {
        return list == null
                ? Set.of()
                : Arrays.stream(list.toString().split(","))
                        .map(word -> word.strip().toUpperCase(Locale.ROOT))
                        .filter(word -> !word.isEmpty())
                        .collect(Collectors.toCollection(TreeSet::new));
    }

    private static String clean(String path) {
        var single = SLASHES.matcher("/" + path).replaceAll("/");
        return LAST_SLASH.matcher(single).replaceAll("");
    }

    /// Without the names of the parameters: `/a/{x}` and `/a/{y}` are one path.
    private String pattern() {
        return PARAMETER.matcher(path).replaceAll("{}");
    }

    /// False if the paths are plain and differ, as most do.
    private boolean mayMatch(String other) {
        return path.equals(other) || isPattern(path) || isPattern(other);
    }

    private static boolean isPattern(String path) {
        return path.indexOf('{') >= 0 || path.indexOf(':') >= 0;
    }

    /// Whether one request could go to both, and neither path is more exact than the other.
    boolean collidesWith(ServedPath other) {
        return mayMatch(other.path)
                && pattern().equals(other.pattern())
                && (methods == WEBSOCKET) == (other.methods == WEBSOCKET)
                && overlap(methods, other.methods)
                && overlap(consumes, other.consumes)
                && overlap(produces, other.produces);
    }

    private static boolean overlap(Set<String> one, Set<String> other) {
        return one.isEmpty() || other.isEmpty() || one.stream().anyMatch(other::contains);
    }

    /// `POST /generate`
    @Override
    public String toString() {
        return methods.isEmpty() ? path : String.join(",", methods) + " " + path;
    }
}
