package dev.llmworker.serving.access;

import dev.llmworker.serving.wire.UsesRegex;
import io.netty.util.NetUtil;
import io.vertx.core.http.HttpServerRequest;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/// The sites whose pages may use the worker from a browser. Without a list no page of another site may read an answer,
/// and WebSockets are open to all, as they were in the worker that this one replaces.
///
/// But a page must not drive a worker that only this machine can reach. So what arrives at a loopback address is
/// checked with and without a list.
@UsesRegex("the variable ALLOWED_ORIGINS")
public final class Origins {
    /// No list.
    public static final Origins UNLISTED = new Origins(false, List.of(), AllowedHosts.NONE);

    private static final String LOCALHOST = "localhost";
    private static final String ALL = "*";
    // Sent by pages without a site: files, and frames that are sandboxed.
    private static final String NULL = "null";

    private final boolean all;
    private final List<Predicate<String>> allowed;
    private final AllowedHosts hosts;

    private Origins(boolean all, List<Predicate<String>> allowed, AllowedHosts hosts) {
        this.all = all;
        this.allowed = List.copyOf(allowed);
        this.hosts = hosts;
    }

    /// The same list, and the names by which browsers of this machine may reach the worker.
    public Origins withHosts(AllowedHosts names) {
        return new Origins(all, allowed, names);
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
        return new Origins(all, allowed, AllowedHosts.NONE);
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

    /// Whether the page that sent `request` may give the worker work, by a POST or a WebSocket. Browsers ask
    /// for no leave before they do. Programs send no `Origin`.
    ///
    /// @param loopback whether it arrived at a loopback address
    boolean mayCall(HttpServerRequest request, boolean loopback) {
        var sent = request.headers().getAll("Origin");
        return sent.isEmpty()
                || sent.size() == 1 && mayCall(sent.getFirst(), request.getHeader("Host"), loopback)
                || !loopback && allowed.isEmpty();
    }

    boolean mayCall(String origin, @Nullable String host, boolean loopback) {
        if (all || allows(origin)) {
            return true;
        }
        var own = host != null && isOwn(origin, host);
        if (!loopback) {
            return own || allowed.isEmpty();
        }
        return isOfThisMachine(origin) || host != null && own && hosts.allows(host);
    }

    /// Whether it is a page of the worker's own.
    private static boolean isOwn(String origin, String host) {
        return origin.substring(afterScheme(origin)).equalsIgnoreCase(host);
    }

    private static int afterScheme(String origin) {
        var at = origin.indexOf("://");
        return at < 0 ? origin.length() : at + 3;
    }

    /// Whether the page came from this machine: its host is a name or an address of loopback. `0.0.0.0` in a browser is
    /// this machine, too.
    private static boolean isOfThisMachine(String origin) {
        var host = hostOf(origin.substring(afterScheme(origin)).toLowerCase(Locale.ROOT));
        if (host.endsWith(".")) {
            host = host.substring(0, host.length() - 1);
        }
        if (host.equals(LOCALHOST) || host.endsWith("." + LOCALHOST)) {
            return true;
        }
        var address = NetUtil.createInetAddressFromIpAddressString(host);
        return address != null && (address.isLoopbackAddress() || address.isAnyLocalAddress());
    }

    /// The host of `host:port`; empty if it is none that a browser sends.
    private static String hostOf(String authority) {
        var bracket = authority.startsWith("[") ? authority.indexOf(']') : 0;
        var colon = authority.indexOf(':', Math.max(0, bracket));
        var host = colon < 0 ? authority : authority.substring(0, colon);
        var port = colon < 0 ? "" : authority.substring(colon + 1);
        if (!port.chars().allMatch(c -> c >= '0' && c <= '9')) {
            return "";
        }
        if (bracket > 0) {
            return host.endsWith("]") ? host.substring(1, host.length() - 1) : "";
        }
        return host.chars().allMatch(c -> Character.isLetterOrDigit(c) || c == '.' || c == '-' || c == '_') ? host : "";
    }
}
