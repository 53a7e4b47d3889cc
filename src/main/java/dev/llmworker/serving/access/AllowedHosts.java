package dev.llmworker.serving.access;

import dev.llmworker.serving.wire.RequestFields;
import dev.llmworker.serving.wire.UsesRegex;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/// The names under which browsers of this machine may reach the worker, beside loopback names. An attacker's name may
/// point to this machine, too (DNS rebinding), and its page would look like the worker's own.
@UsesRegex("the variable ALLOWED_HOSTS; its patterns take linear time, as those of Origins")
public final class AllowedHosts {
    /// No list.
    public static final AllowedHosts NONE = new AllowedHosts(List.of());

    private static final String SCHEME = "http://";

    private final List<Predicate<String>> allowed;

    private AllowedHosts(List<Predicate<String>> allowed) {
        this.allowed = List.copyOf(allowed);
    }

    /// @param list such as `worker.example.com, *.example.net`; null for none
    /// @throws IllegalArgumentException naming the entry that is no host name
    public static AllowedHosts of(@Nullable String list) {
        if (list == null) {
            return NONE;
        }
        var allowed = new ArrayList<Predicate<String>>();
        for (var part : list.split(",")) {
            var entry = part.strip();
            if (!entry.isEmpty()) {
                allowed.add(anyPort(entry));
            }
        }
        if (allowed.isEmpty()) {
            throw new IllegalArgumentException("there is no host in it; one is like worker.example.com");
        }
        return new AllowedHosts(allowed);
    }

    private static Predicate<String> anyPort(String host) {
        try {
            return OriginPattern.of(SCHEME + host + ":*").asMatchPredicate();
        } catch (IllegalArgumentException _) {
            throw new IllegalArgumentException("\"" + RequestFields.shortened(host)
                    + "\" is no host; write a name or an address, like worker.example.com, without http:// and without a"
                    + " port");
        }
    }

    /// @param host as in the header `Host`
    boolean allows(String host) {
        var origin = SCHEME + host.toLowerCase(Locale.ROOT);
        return allowed.stream().anyMatch(entry -> entry.test(origin));
    }
}
