package dev.llmworker.serving.wire;

import io.netty.handler.codec.http.HttpHeaderNames;
import io.netty.handler.codec.http.HttpHeaders;
import io.netty.util.AsciiString;
import io.vertx.core.http.HttpMethod;
import io.vertx.core.http.HttpServerRequest;
import io.vertx.core.http.HttpVersion;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;

/// Headers whose values are lists (RFC 9110, 5.6.1). A list may come on several lines, in any case, with tabs, and with
/// empty members. Vert.x, Netty and Camel each understand only some of these forms. [#normalize] turns all of them into
/// one form before anybody reads a header, so that all readers see the same request.
public final class HeaderLists {
    private static final String WEBSOCKET = "websocket";
    private static final String UPGRADE = "upgrade";

    /// Lists that come on one line afterwards.
    private static final List<AsciiString> ON_ONE_LINE = List.of(
            HttpHeaderNames.UPGRADE,
            HttpHeaderNames.TRANSFER_ENCODING,
            HttpHeaderNames.CONTENT_ENCODING,
            HttpHeaderNames.EXPECT,
            HttpHeaderNames.ACCEPT,
            HttpHeaderNames.ACCEPT_CHARSET,
            HttpHeaderNames.ACCEPT_ENCODING,
            HttpHeaderNames.ACCEPT_LANGUAGE,
            HttpHeaderNames.ACCESS_CONTROL_REQUEST_HEADERS,
            HttpHeaderNames.SEC_WEBSOCKET_EXTENSIONS,
            HttpHeaderNames.SEC_WEBSOCKET_PROTOCOL);

    private HeaderLists() {}

    /// Rewrites all lists in `headers`.
    ///
    /// - No list has a tab or an empty member. Only `Transfer-Encoding` may have a member twice, which is an error.
    /// - Each list is on one line, but `Connection` has a line for each member: Vert.x compares whole lines with
    ///   `close` and `keep-alive`, and looks for `Upgrade` in the first line only. `close` wins over `keep-alive`.
    /// - A request that may become a WebSocket has `Upgrade: websocket` alone, whatever else it offers.
    public static void normalize(HttpHeaders headers) {
        for (var name : ON_ONE_LINE) {
            if (headers.contains(name)) {
                joinLines(headers, name);
            }
        }
        if (headers.contains(HttpHeaderNames.CONNECTION)) {
            splitConnection(headers);
        }
    }

    private static void joinLines(HttpHeaders headers, AsciiString name) {
        var members = members(headers.getAll(name));
        if (name == HttpHeaderNames.TRANSFER_ENCODING) {
            // It stays if it is empty: a request that names no coding at all is refused.
            headers.set(name, String.join(", ", members));
        } else if (members.isEmpty()) {
            headers.remove(name);
        } else if (name == HttpHeaderNames.UPGRADE && has(members, WEBSOCKET)) {
            headers.set(name, WEBSOCKET);
        } else {
            headers.set(name, String.join(", ", distinct(members)));
        }
    }

    private static void splitConnection(HttpHeaders headers) {
        var members = new ArrayList<>(distinct(members(headers.getAll(HttpHeaderNames.CONNECTION))));
        if (has(members, "close")) {
            members.removeIf("keep-alive"::equalsIgnoreCase);
        }
        if (members.removeIf(UPGRADE::equalsIgnoreCase)) {
            members.addFirst(UPGRADE);
        }
        headers.remove(HttpHeaderNames.CONNECTION);
        headers.add(HttpHeaderNames.CONNECTION, members);
    }

    /// Whether a request asks for a WebSocket. Its headers have been normalized. The origin check, the check of the key
    /// and the handshake itself all ask here.
    public static boolean asksForWebSocket(HttpServerRequest request) {
        return request.version() == HttpVersion.HTTP_1_1
                && request.method() == HttpMethod.GET
                && WEBSOCKET.equals(request.getHeader(HttpHeaderNames.UPGRADE))
                && UPGRADE.equals(request.getHeader(HttpHeaderNames.CONNECTION));
    }

    private static boolean has(List<String> members, String member) {
        return members.stream().anyMatch(member::equalsIgnoreCase);
    }

    /// The members of a list that comes on these lines.
    private static List<String> members(List<String> lines) {
        var members = new ArrayList<String>();
        for (var line : lines) {
            for (var part : split(line, ',')) {
                var member = trimmed(part);
                if (!member.isEmpty()) {
                    members.add(member);
                }
            }
        }
        return members;
    }

    /// Of members that differ in case alone, the first stays.
    private static List<String> distinct(List<String> members) {
        var distinct = new LinkedHashMap<String, String>();
        members.forEach(member -> distinct.putIfAbsent(member.toLowerCase(Locale.ROOT), member));
        return List.copyOf(distinct.values());
    }

    /// Splits a value at each `separator` that is not in a quoted string.
    static List<String> split(String value, char separator) {
        var parts = new ArrayList<String>(2);
        var quoted = false;
        var start = 0;
        for (var at = 0; at < value.length(); at++) {
            var c = value.charAt(at);
            if (c == '\\' && quoted) {
                at++;
            } else if (c == '"') {
                quoted = !quoted;
            } else if (c == separator && !quoted) {
                parts.add(value.substring(start, at));
                start = at + 1;
            }
        }
        parts.add(value.substring(start));
        return parts;
    }

    /// Without the white space of HTTP around it: blanks and tabs.
    static String trimmed(String value) {
        var start = 0;
        var end = value.length();
        while (start < end && isWhite(value.charAt(start))) {
            start++;
        }
        while (end > start && isWhite(value.charAt(end - 1))) {
            end--;
        }
        return value.substring(start, end);
    }

    private static boolean isWhite(char c) {
        return c == ' ' || c == '\t';
    }
}
