package dev.llmworker.serving.access;

import dev.llmworker.serving.wire.RequestFields;
import io.vertx.core.http.HttpServerRequest;
import java.net.URI;
import java.net.URISyntaxException;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/// The sites whose pages may use the worker from a browser. Without a list no page of another site may read an answer,
/// and WebSockets are open to all, as they were in the worker that this one replaces.
public final class Origins {
    /// No list.
    public static final Origins UNLISTED = new Origins(Set.of());

    private static final String ALL = "*";

    private final Set<String> allowed;

    private Origins(Set<String> allowed) {
        this.allowed = allowed;
    }

    /// @param list such as `https://example.com, http://localhost:3000`, or `*`; null for none
    /// @throws IllegalArgumentException naming the entry that is no origin
    public static Origins of(@Nullable String list) {
        if (list == null) {
            return UNLISTED;
        }
        var origins = new HashSet<String>();
        for (var part : list.split(",")) {
            var origin = part.strip().toLowerCase(Locale.ROOT).replaceFirst("/$", "");
            if (!origin.isEmpty()) {
                check(origin);
                origins.add(origin);
            }
        }
        return new Origins(Set.copyOf(origins));
    }

    private static void check(String origin) {
        try {
            var uri = new URI(origin);
            var whole = List.of(ALL, "null").contains(origin)
                    || (uri.getScheme() != null
                            && uri.getRawAuthority() != null
                            && origin.equals(uri.getScheme() + "://" + uri.getRawAuthority()));
            if (whole) {
                return;
            }
        } catch (URISyntaxException _) {
            // Told below.
        }
        throw new IllegalArgumentException(
                "\"" + RequestFields.shortened(origin) + "\" is no origin; one is like https://example.com or *");
    }

    boolean areListed() {
        return !allowed.isEmpty();
    }

    /// The value of `Access-Control-Allow-Origin` for the page that sent `request`; null where there is none, or its
    /// site is not on the list.
    @Nullable
    String allowedOrigin(HttpServerRequest request) {
        var origin = request.getHeader("Origin");
        if (origin == null || allowed.isEmpty()) {
            return null;
        }
        if (allowed.contains(ALL)) {
            return ALL;
        }
        return allowed.contains(origin.toLowerCase(Locale.ROOT)) ? origin : null;
    }

    /// Whether the page that sent `request` may open a WebSocket. Browsers ask for no leave before they do.
    boolean mayConnect(HttpServerRequest request) {
        var origins = new ArrayList<>(request.headers().getAll("Origin"));
        if (origins.isEmpty() || allowed.isEmpty()) {
            return true;
        }
        return origins.size() == 1 && (allowedOrigin(request) != null || isSame(origins.getFirst(), request));
    }

    /// Whether it is a page of the worker's own.
    private static boolean isSame(String origin, HttpServerRequest request) {
        var host = request.getHeader("Host");
        var at = origin.indexOf("://");
        return host != null && at >= 0 && origin.substring(at + 3).equalsIgnoreCase(host);
    }
}
