package dev.llmworker.serving.access;

import dev.llmworker.serving.wire.RequestFields;
import dev.llmworker.serving.wire.UsesRegex;
import io.netty.util.NetUtil;
import java.net.IDN;
import java.net.Inet6Address;
import java.net.InetAddress;
import java.net.UnknownHostException;
import java.util.Locale;
import java.util.Map;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/// One entry of a list of origins, turned into a pattern of what browsers send. An entry that no browser's `Origin` can
/// match is refused: the operator would believe that it works.
///
/// A `*` stands for any port (`http://localhost:*`), for any labels in front of a host (`https://*.example.com`), or
/// for any host of a browser extension (`chrome-extension://*`).
@UsesRegex("the variable ALLOWED_ORIGINS; the pattern made of it takes linear time and no stack")
final class OriginPattern {
    private static final Pattern ENTRY = Pattern.compile(
            "(?<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?<host>\\[[^]]*]|[^\\[:/?#@\\s]+)(?::(?<port>[^/?#@]*))?/?");
    private static final Map<String, String> DEFAULT_PORTS = Map.of("http", ":80", "https", ":443");
    private static final Map<String, String> WEBSOCKET_SCHEMES = Map.of("ws", "http", "wss", "https");
    private static final Pattern HOST = Pattern.compile("[a-z0-9_-]+(?:\\.[a-z0-9_-]+)*\\.?");
    private static final Pattern NUMBERS = Pattern.compile("(?:.*\\.)?(?:\\d+|0x[0-9a-f]*)\\.?");
    private static final Pattern PORT = Pattern.compile("0*(?<port>\\d{1,5})");
    private static final int MAX_PORT = 65_535;
    private static final String ANY_PORT = "(?::\\d{1,5})?";
    /// A repeated group would take stack for each label that a client writes.
    private static final String ANY_LABELS = "(?!.*\\.\\.)[a-z0-9_-][a-z0-9_.-]*\\.";
    private static final String ANY_EXTENSION = "[^/:?#@\\s]+";
    /// Characters that browsers and Java turn into different letters.
    private static final Pattern AMBIGUOUS = Pattern.compile("[ßẞς\\u200c\\u200d]");

    private final String entry;

    private OriginPattern(String entry) {
        this.entry = entry;
    }

    /// @throws IllegalArgumentException naming the entry and what to write instead
    static Pattern of(String entry) {
        return new OriginPattern(entry).pattern();
    }

    private Pattern pattern() {
        var parts = ENTRY.matcher(entry);
        if (!parts.matches()) {
            throw refused(advice());
        }
        var scheme = parts.group("scheme").toLowerCase(Locale.ROOT);
        var page = WEBSOCKET_SCHEMES.get(scheme);
        if (page != null) {
            throw refused("is the address of a WebSocket; write the page's, which begins with " + page + "://");
        }
        var host = host(scheme, parts.group("host").toLowerCase(Locale.ROOT));
        return Pattern.compile(Pattern.quote(scheme + "://") + host + port(scheme, parts.group("port")));
    }

    private String advice() {
        if (entry.chars().anyMatch(Character::isWhitespace)) {
            return "has a blank in it; separate origins by commas";
        }
        if (entry.matches(".*[\"'].*")) {
            return "has a quote in it; leave it out";
        }
        var withoutScheme = entry.replaceFirst("^.*?://", "");
        if (!entry.contains("://")) {
            var host = entry.replaceFirst("/.*", "");
            return "has no scheme; write http://" + host + " or https://" + host;
        }
        if (entry.startsWith("file:")) {
            return "is no origin; browsers send null for files, so write null";
        }
        if (withoutScheme.contains("@")) {
            return "has a user in it, which no browser sends; leave it out";
        }
        if (!entry.matches("[A-Za-z][A-Za-z0-9+.-]*://.*")) {
            return "has no valid scheme; write http://" + withoutScheme + " and https://" + withoutScheme;
        }
        return "is no origin; one is a scheme, a host and perhaps a port, like https://example.com, without a path";
    }

    private String host(String scheme, String host) {
        if (host.startsWith("[")) {
            return Pattern.quote(address(host));
        }
        if (host.equals("*")) {
            if (DEFAULT_PORTS.containsKey(scheme)) {
                throw refused("has no host; write * alone to allow all sites");
            }
            return ANY_EXTENSION;
        }
        var labels = host.startsWith("*.") ? host.substring(2) : host;
        if (labels.contains("*")) {
            throw refused("has a * inside its host; it can stand for all labels in front of a host, as in"
                    + " https://*.example.com");
        }
        return (host.startsWith("*.") ? ANY_LABELS : "") + Pattern.quote(name(labels));
    }

    /// As browsers write an IPv6 address.
    private String address(String host) {
        try {
            var text = host.substring(1, host.length() - 1);
            if (NetUtil.isValidIpV6Address(text)
                    && !text.contains("%")
                    && InetAddress.getByAddress(NetUtil.createByteArrayFromIpAddressString(text))
                            instanceof Inet6Address address) {
                return "[" + NetUtil.toAddressString(address) + "]";
            }
        } catch (UnknownHostException _) {
            // Refused below.
        }
        throw refused("has no valid IPv6 address; one is like http://[::1]:8080");
    }

    private String name(String host) {
        if (AMBIGUOUS.matcher(host).find()) {
            throw refused("has a letter that browsers write in different ways; write the host as your browser sends it,"
                    + " which begins with xn--");
        }
        var name = toAscii(host);
        if (!HOST.matcher(name).matches()) {
            throw refused("has no valid host; one is like https://example.com");
        }
        if (NUMBERS.matcher(name).matches() && !NetUtil.isValidIpV4Address(name)) {
            throw refused("has no valid host; browsers write an IPv4 address as four numbers, like http://127.0.0.1");
        }
        return name;
    }

    private String toAscii(String host) {
        try {
            return host.chars().allMatch(c -> c < 0x80)
                    ? host
                    : IDN.toASCII(host).toLowerCase(Locale.ROOT);
        } catch (IllegalArgumentException _) {
            throw refused("has no valid host; one is like https://example.com");
        }
    }

    /// Browsers leave the default port out.
    private String port(String scheme, @Nullable String port) {
        if (port == null || port.isEmpty()) {
            return "";
        }
        if (port.equals("*")) {
            return ANY_PORT;
        }
        var number = PORT.matcher(port);
        if (!number.matches() || Integer.parseInt(number.group("port")) > MAX_PORT) {
            throw refused("has no valid port; it is a number up to " + MAX_PORT + ", or * for any");
        }
        var text = ":" + Integer.parseInt(number.group("port"));
        return text.equals(DEFAULT_PORTS.get(scheme)) ? "" : text;
    }

    private IllegalArgumentException refused(String why) {
        return new IllegalArgumentException("\"" + RequestFields.shortened(entry) + "\" " + why);
    }
}
