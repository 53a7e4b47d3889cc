package dev.llmworker.serving.access;

import dev.llmworker.serving.wire.UsesRegex;
import io.vertx.core.http.HttpServerRequest;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/// The sites whose pages may use the worker from a browser. Without a list no page of another site may read an answer,
/// and WebSockets are open to all, as they were in the worker that this one replaces.
@UsesRegex("the variable ALLOWED_ORIGINS")
public final class Origins {
    /// No list.
    public static final Origins UNLISTED = new Origins(false, List.of());

    private static final String ALL = "*";
    // Sent by pages without a site: files, and frames that are sandboxed.
    private static final String NULL = "null";

    private final boolean all;
    private final List<Predicate<String>> allowed;

    private Origins(boolean all, List<Predicate<String>> allowed) {
        this.all = all;
        this.allowed = List.copyOf(allowed);
    }

    /// @param list such as `https://example.com, http://localhost:*`, or `*`; null for none
    /// @throws IllegalArgumentException naming the entry that no browser sends, and what to write instead
    public static Origins of(@Nullable String list) {
        if (list == null) {
            return UNLISTED;
        }
        var all = false;
        var allowed = new ArrayList<Predicate<String>>();
        for (var part : list.split(",")) {
            var entry = part.strip();
            if (!entry.isEmpty()) {
                all = all || entry.equals(ALL);
                allowed.add(
                        entry.equals(ALL) || entry.equals(NULL)
                                ? entry::equals
                                : OriginPattern.of(entry).asMatchPredicate());
            }
        }
        if (allowed.isEmpty()) {
            throw new IllegalArgumentException("there is no origin in it; one is like https://example.com or *");
        }
        return new Origins(all, allowed);
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
        if (all) {
            return ALL;
        }
        return allows(origin) ? origin : null;
    }

    /// Whether an entry of the list matches.
    boolean allows(String origin) {
        var lower = origin.toLowerCase(Locale.ROOT);
        return allowed.stream().anyMatch(entry -> entry.test(lower));
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
