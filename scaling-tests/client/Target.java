package client;

import java.net.URI;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/// The server under test and how to be let in.
///
/// @param base where its paths begin; http or https
/// @param headers sent with each request, `Authorization` not among them
/// @param timeout for one answer, and for one WebSocket to open
/// @param insecure whether any certificate will do
public record Target(
        URI base,
        Optional<String> token,
        TokenPlace place,
        Map<String, String> headers,
        Duration timeout,
        boolean insecure) {

    /// Where the token goes when a WebSocket is opened. HTTP requests have it in their header always.
    public enum TokenPlace {
        URL,
        HEADER,
        BOTH
    }

    /// The options that a target is made of.
    public static final List<Option> OPTIONS = List.of(
            Option.of("--url", "URL", "http://localhost:80", "where the worker or its proxy is; https is fine"),
            Option.of("--token", "TOKEN", "", "sent as a bearer token, and as ?token= of a WebSocket's URL"),
            Option.of("--token-in", "PLACE", "both", "for WebSockets: url (as a browser must), header, or both"),
            Option.of("--header", "'NAME: VALUE'", "", "another header for each request, X-API-Key say; repeatable"),
            Option.of("--timeout", "SECONDS", "60", "for an answer, and for a WebSocket to open"),
            Option.of("--wait", "SECONDS", "180", "for the first healthy answer, while a worker starts"),
            Option.flag("--insecure", "accept any TLS certificate"));

    public static Target of(Arguments arguments) throws UsageException {
        var headers = new LinkedHashMap<String, String>();
        for (var header : arguments.all("--header")) {
            var colon = header.indexOf(':');
            if (colon < 1 || header.chars().anyMatch(c -> c < ' ')) {
                throw new UsageException("--header is \"" + header + "\"; it must be like 'X-API-Key: secret'");
            }
            headers.put(
                    header.substring(0, colon).strip(),
                    header.substring(colon + 1).strip());
        }
        return new Target(
                base(arguments.text("--url")),
                arguments.optional("--token").filter(token -> !token.isBlank()),
                TokenPlace.valueOf(arguments
                        .oneOf("--token-in", false, "url", "header", "both")
                        .getFirst()
                        .toUpperCase(java.util.Locale.ROOT)),
                headers,
                arguments.seconds("--timeout", 0.1, 3600),
                arguments.has("--insecure"));
    }

    private static URI base(String text) throws UsageException {
        var wrong = new UsageException("--url is \"" + text
                + "\"; it must be like http://localhost:8080 or https://host/path, without a query");
        try {
            var uri = new URI(text.replaceFirst("/+$", ""));
            var scheme = String.valueOf(uri.getScheme()).replaceFirst("^ws", "http");
            if (!scheme.matches("https?") || uri.getHost() == null || uri.getQuery() != null) {
                throw wrong;
            }
            return new URI(scheme
                    + text.replaceFirst("/+$", "").substring(uri.getScheme().length()));
        } catch (java.net.URISyntaxException _) {
            throw wrong;
        }
    }

    public boolean isSecure() {
        return base.getScheme().equals("https");
    }

    public int port() {
        return base.getPort() >= 0 ? base.getPort() : isSecure() ? 443 : 80;
    }

    public URI http(String path) {
        return URI.create(base + path);
    }

    /// What stands in the request line of a WebSocket's handshake.
    public String webSocketPath(String path) {
        var whole = String.valueOf(base.getRawPath()).replace("null", "") + path;
        return token.filter(_ -> place != TokenPlace.HEADER)
                .map(text -> whole + "?token=" + URLEncoder.encode(text, StandardCharsets.UTF_8))
                .orElse(whole);
    }

    public Map<String, String> httpHeaders() {
        return headers(true);
    }

    public Map<String, String> webSocketHeaders() {
        return headers(place != TokenPlace.URL);
    }

    private Map<String, String> headers(boolean withToken) {
        var all = new LinkedHashMap<>(headers);
        token.filter(_ -> withToken).ifPresent(text -> all.put("Authorization", "Bearer " + text));
        return all;
    }

    /// The address as it may be shown: without a password in it.
    public String shown() {
        return base.toString().replaceFirst("//[^/@]*@", "//");
    }
}
