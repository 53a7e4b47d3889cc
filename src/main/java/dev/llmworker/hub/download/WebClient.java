package dev.llmworker.hub.download;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.net.ConnectException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpHeaders;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import javax.net.ssl.SSLHandshakeException;
import org.jspecify.annotations.Nullable;

/// Sends GET requests over HTTP. It follows redirects itself, instead of the JDK's client, for two reasons. The
/// token must stay with its own host. The hub gives a file's hash in the redirect, not in the final response.
public final class WebClient implements AutoCloseable {
    private static final int MAX_REDIRECTS = 10;
    private static final int CHUNK_BYTES = 16 << 10;

    /// A bearer token, and the URL of the only server that may receive it.
    public record Credential(URI server, String token) {
        boolean isFor(URI address) {
            return WebClient.origin(server).equals(WebClient.origin(address));
        }

        @Override
        public String toString() {
            return "a token for " + WebClient.origin(server);
        }
    }

    /// A response. Its body is read with a limit on stalls: the client's own input stream would wait for ever.
    ///
    /// @param announcedSha256 the hash that the first server gave for the file; null if it gave none
    public record Answer(
            int status,
            HttpHeaders headers,
            InputStream body,
            Duration limit,
            @Nullable String announcedSha256) implements AutoCloseable {
        /// The next bytes; none at the end.
        ///
        /// @throws TransferException if the connection drops or stalls
        ByteBuffer next() throws IOException, InterruptedException {
            var chunk = new byte[CHUNK_BYTES];
            var reading = new FutureTask<>(() -> body.read(chunk));
            Thread.ofVirtual().name("download").start(reading);
            try {
                return ByteBuffer.wrap(chunk, 0, Math.max(0, reading.get(limit.toMillis(), TimeUnit.MILLISECONDS)));
            } catch (ExecutionException e) {
                throw new TransferException("the connection dropped: " + e.getCause(), e);
            } catch (TimeoutException e) {
                throw new TransferException("no bytes for " + limit.toSeconds() + " s", e);
            }
        }

        /// Closes the connection; the rest of the body is not read.
        @Override
        public void close() throws IOException {
            body.close();
        }
    }

    private final HttpClient client;
    private final @Nullable Credential credential;
    private final Duration limit;

    public WebClient(@Nullable Credential credential) {
        this(credential, Duration.ofSeconds(30));
    }

    /// @param limit the limit for connecting, for the response's headers, and for a stall within a body
    public WebClient(@Nullable Credential credential, Duration limit) {
        this.credential = credential;
        this.limit = limit;
        // HTTP/1.1: one large file gains nothing from streams, and a dropped connection does not affect other
        // downloads.
        client = HttpClient.newBuilder()
                .version(HttpClient.Version.HTTP_1_1)
                .followRedirects(HttpClient.Redirect.NEVER)
                .connectTimeout(limit)
                .build();
    }

    public boolean hasCredential() {
        return credential != null;
    }

    /// @throws TransferException if a retry may succeed
    /// @throws ModelUnavailableException if a retry would not help
    public Answer get(URI address, Map<String, String> headers) throws IOException, InterruptedException {
        String announced = null;
        var hop = address;
        for (var redirects = 0; redirects <= MAX_REDIRECTS; redirects++) {
            var response = send(hop, headers);
            if (origin(hop).equals(origin(address)) && announced == null) {
                announced = announcedSha256(response.headers());
            }
            if (!isRedirect(response.statusCode())) {
                return new Answer(response.statusCode(), response.headers(), response.body(), limit, announced);
            }
            response.body().close();
            hop = redirectTarget(hop, response.headers());
        }
        throw new ModelUnavailableException(shown(address) + ": more than " + MAX_REDIRECTS + " redirects");
    }

    /// Reads the whole body as text.
    public static String text(Answer answer, int maxBytes) throws IOException, InterruptedException {
        var bytes = new ByteArrayOutputStream();
        for (var buffer = answer.next(); buffer.hasRemaining(); buffer = answer.next()) {
            bytes.write(buffer.array(), 0, buffer.remaining());
            if (bytes.size() > maxBytes) {
                throw new ModelUnavailableException("an answer is longer than " + maxBytes + " bytes");
            }
        }
        return bytes.toString(StandardCharsets.UTF_8);
    }

    /// The URL without what must not be logged: user, password, signature.
    static String shown(URI address) {
        return origin(address) + address.getPath();
    }

    @Override
    public void close() {
        client.shutdownNow();
    }

    private HttpResponse<InputStream> send(URI hop, Map<String, String> headers)
            throws IOException, InterruptedException {
        var request = HttpRequest.newBuilder(hop).header("User-Agent", "camel-llm-worker");
        headers.forEach(request::header);
        if (credential != null && credential.isFor(hop)) {
            request.header("Authorization", "Bearer " + credential.token());
        }
        var answer = client.sendAsync(request.build(), HttpResponse.BodyHandlers.ofInputStream());
        try {
            // Not the request's own timeout: from JDK 26 on that also covers the body, even if it keeps flowing.
            return answer.get(limit.toMillis(), TimeUnit.MILLISECONDS);
        } catch (TimeoutException e) {
            throw new TransferException(shown(hop) + ": no answer for " + limit.toSeconds() + " s", e);
        } catch (ExecutionException e) {
            throw failure(hop, e.getCause() == null ? e : e.getCause());
        } finally {
            answer.cancel(true);
        }
    }

    private static IOException failure(URI hop, Throwable cause) {
        if (cause instanceof SSLHandshakeException) {
            return new ModelUnavailableException(
                    shown(hop) + ": " + cause.getMessage()
                            + "; to trust another certificate, set"
                            + " JAVA_OPTS=-Djavax.net.ssl.trustStore=FILE",
                    cause);
        }
        if (cause instanceof ConnectException) {
            return new TransferException(
                    origin(hop) + " cannot be reached (" + cause + "); to use a proxy, set"
                            + " JAVA_OPTS='-Dhttps.proxyHost=HOST -Dhttps.proxyPort=PORT'",
                    cause);
        }
        return new TransferException(shown(hop) + ": " + cause, cause);
    }

    private static boolean isRedirect(int status) {
        return switch (status) {
            case 301, 302, 303, 307, 308 -> true;
            default -> false;
        };
    }

    private static URI redirectTarget(URI hop, HttpHeaders headers) throws ModelUnavailableException {
        var location = headers.firstValue("Location").orElse("");
        try {
            var target = hop.resolve(URI.create(location));
            var scheme = target.getScheme();
            var secure = "https".equals(scheme) || ("http".equals(scheme) && "http".equals(hop.getScheme()));
            if (!location.isEmpty() && secure && target.getHost() != null) {
                return target;
            }
        } catch (IllegalArgumentException e) {
            throw new ModelUnavailableException(shown(hop) + ": redirects to no address", e);
        }
        throw new ModelUnavailableException(shown(hop) + ": redirects to no address, or from https to http");
    }

    private static @Nullable String announcedSha256(HttpHeaders headers) {
        for (var name : List.of("X-Linked-Etag", "ETag")) {
            var value = headers.firstValue(name).orElse("").replace("\"", "");
            if (Sha256.isOne(value)) {
                return value;
            }
        }
        return null;
    }

    private static String origin(URI address) {
        var origin = (address.getScheme() + "://" + address.getHost()).toLowerCase(Locale.ROOT);
        var standardPort = "https".equalsIgnoreCase(address.getScheme()) ? 443 : 80;
        return address.getPort() == -1 || address.getPort() == standardPort ? origin : origin + ":" + address.getPort();
    }
}
