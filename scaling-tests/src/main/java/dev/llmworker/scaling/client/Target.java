package dev.llmworker.scaling.client;

import io.vertx.core.MultiMap;
import io.vertx.core.http.HttpHeaders;
import java.net.URI;
import java.net.URISyntaxException;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Optional;
import picocli.CommandLine.Help.Visibility;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.Option;
import picocli.CommandLine.TypeConversionException;

/// The server under test and the credentials for it, as options of the command line.
public final class Target {
    /// Where the token goes when a WebSocket is opened. HTTP requests always have it in a header.
    public enum TokenPlace {
        URL,
        HEADER,
        BOTH
    }

    @Option(
            names = "--url",
            paramLabel = "URL",
            defaultValue = "http://localhost:80",
            converter = Base.class,
            description = "address of the worker or its proxy; https works too")
    private URI base;

    @Option(
            names = "--token",
            paramLabel = "TOKEN",
            description = "sent as a bearer token, and as ?token= in the URL of a WebSocket")
    private Optional<String> token;

    @Option(
            names = "--token-in",
            paramLabel = "PLACE",
            defaultValue = "both",
            description = "for WebSockets: url (all that a browser can do), header, or both")
    private TokenPlace place;

    @Option(
            names = "--header",
            paramLabel = "'NAME: VALUE'",
            converter = Header.class,
            showDefaultValue = Visibility.NEVER,
            description = "another header for each request, for example X-API-Key; repeatable")
    private List<String[]> headers = List.of();

    @Option(
            names = "--timeout",
            paramLabel = "SECONDS",
            defaultValue = "60",
            description = "limit for an answer, and for a WebSocket to open")
    @Range(from = 0.1, to = 3600)
    private double timeout;

    @Option(names = "--insecure", description = "accept any TLS certificate")
    private boolean insecure;

    URI http(String path) {
        return URI.create(base + path);
    }

    URI webSocket() {
        var query = token.filter(_ -> place != TokenPlace.HEADER)
                .map(text -> "?token=" + URLEncoder.encode(text, StandardCharsets.UTF_8));
        return URI.create(base.toString().replaceFirst("^http", "ws") + "/ws" + query.orElse(""));
    }

    MultiMap httpHeaders() {
        return headers(true);
    }

    MultiMap webSocketHeaders() {
        return headers(place != TokenPlace.URL);
    }

    private MultiMap headers(boolean withToken) {
        var all = HttpHeaders.headers();
        headers.forEach(header -> all.set(header[0], header[1]));
        token.filter(_ -> withToken).ifPresent(text -> all.set("Authorization", "Bearer " + text));
        return all;
    }

    public double timeoutSeconds() {
        return timeout;
    }

    public boolean hasToken() {
        return token.isPresent();
    }

    boolean isInsecure() {
        return insecure;
    }

    /// Clients of OpenAI's API include `/v1` in the base URL; these programs include it in the paths.
    public void withoutVersion() {
        base = URI.create(base.toString().replaceFirst("/v1$", ""));
    }

    /// The address as it may be shown: without a password in it.
    public String shown() {
        return base.toString().replaceFirst("//[^/@]*@", "//");
    }

    static final class Base implements ITypeConverter<URI> {
        @Override
        public URI convert(String text) {
            try {
                var uri = new URI(text.replaceFirst("/+$", "").replaceFirst("^ws", "http"));
                if (String.valueOf(uri.getScheme()).matches("https?")
                        && uri.getHost() != null
                        && uri.getQuery() == null) {
                    return uri;
                }
            } catch (URISyntaxException _) {
                // Reported below, like an address that lacks a part.
            }
            throw new TypeConversionException(
                    "\"" + text + "\"; it must be like http://localhost:8080 or https://host/path, without a query");
        }
    }

    static final class Header implements ITypeConverter<String[]> {
        @Override
        public String[] convert(String text) {
            var colon = text.indexOf(':');
            if (colon < 1 || text.chars().anyMatch(c -> c < ' ')) {
                throw new TypeConversionException("\"" + text + "\"; it must be like 'X-API-Key: secret'");
            }
            return new String[] {
                text.substring(0, colon).strip(), text.substring(colon + 1).strip()
            };
        }
    }
}
