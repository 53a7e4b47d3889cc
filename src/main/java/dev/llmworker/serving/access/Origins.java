package dev.llmworker.serving.access;

import dev.llmworker.serving.wire.RequestFields;
import dev.llmworker.serving.wire.UsesRegex;
import io.netty.util.NetUtil;
import io.vertx.core.http.HttpServerRequest;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.function.Function;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/// The sites whose pages may use the worker from a browser. Without a list no page of another site may read an answer,
/// and WebSockets are open to all, as they were in the worker that this one replaces.
///
/// But a page must not drive a worker that only this machine can reach. So what arrives at a loopback address is
/// checked with and without a list.
@UsesRegex("the variables ALLOWED_ORIGINS and ALLOWED_HOSTS")
public final class Origins {
    /// No list.
    public static final Origins UNLISTED = new Origins(false, List.of(), List.of());

    private static final String LOCALHOST = "localhost";
    private static final String SCHEME = "http://";
    private static final String ALL = "*";
    // Sent by pages without a site: files, and frames that are sandboxed.
    private static final String NULL = "null";

    private final boolean all;
    private final List<Predicate<String>> allowed;
    /// The names under which browsers of this machine may reach the worker, beside loopback names.
    private final List<Predicate<String>> hosts;

    private Origins(boolean all, List<Predicate<String>> allowed, List<Predicate<String>> hosts) {
        this.all = all;
        this.allowed = List.copyOf(allowed);
        this.hosts = List.copyOf(hosts);
    }

    /// The same list, and the names by which browsers of this machine may reach the worker. An attacker's name
    /// may point to this machine, too (DNS rebinding), and its page would look like the worker's own.
    ///
    /// @param names of [#hosts]
    public Origins withHosts(List<Predicate<String>> names) {
        return new Origins(all, allowed, names);
    }

    /// @param list such as `worker.example.com, *.example.net`; null for none
    /// @throws IllegalArgumentException naming the entry that is no host name
    public static List<Predicate<String>> hosts(@Nullable String list) {
        return entries(list, Origins::host, "there is no host in it; one is like worker.example.com");
    }

    private static Predicate<String> host(String host) {
        try {
            return OriginPattern.of(SCHEME + host + ":*").asMatchPredicate();
        } catch (IllegalArgumentException _) {
            throw new IllegalArgumentException("\"" + RequestFields.shortened(host)
                    + "\" is no host; write a name or an address, like worker.example.com, without http:// and without a"
                    + " port");
        }
    }

    /// @param none what is wrong with a list without entries
    private static List<Predicate<String>> entries(
            @Nullable String list, Function<String, Predicate<String>> parse, String none) {
        if (list == null) {
            return List.of();
        }
        var entries = Arrays.stream(list.split(","))
                .map(String::strip)
                .filter(entry -> !entry.isEmpty())
                .map(parse)
                .toList();
        if (entries.isEmpty()) {
            throw new IllegalArgumentException(none);
        }
        return entries;
    }

    /// @param list such as `https://example.com, http://localhost:*`, or `*`; null for none
    /// @throws IllegalArgumentException naming the entry that no browser sends, and what to write instead
    public static Origins of(@Nullable String list) {
        var allowed = entries(list, Origins::site, "there is no origin in it; one is like https://example.com or *");
        return new Origins(allowed.stream().anyMatch(entry -> entry.test(ALL)), allowed, List.of());
    }

    private static Predicate<String> site(String entry) {
        return entry.equals(ALL) || entry.equals(NULL)
                ? entry::equals
                : OriginPattern.of(entry).asMatchPredicate();
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
        return isOfThisMachine(origin) || host != null && own && isHost(host);
    }

    private boolean isHost(String host) {
        var origin = SCHEME + host.toLowerCase(Locale.ROOT);
        return hosts.stream().anyMatch(entry -> entry.test(origin));
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
