package dev.llmworker.remote;

import io.vertx.core.http.HttpMethod;
import io.vertx.core.http.RequestOptions;
import java.net.URI;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/// The base URL of a server's API, as OpenAI clients write it: `http://host:8000/v1`. A URL without a path means
/// `/v1`.
///
/// @param apiPath the prefix of the API's paths: `/v1`
/// @param rootPath the prefix of the server's other paths: empty if `apiPath` is `/v1`
public record ServerAddress(boolean tls, String host, int port, String apiPath, String rootPath) {
    private static final String DEFAULT_PATH = "/v1";

    /// @throws IllegalArgumentException saying what the URL must be
    public static ServerAddress parse(String url) {
        URI uri;
        try {
            uri = URI.create(url.strip());
        } catch (IllegalArgumentException _) {
            throw wrong();
        }
        var scheme = uri.getScheme() == null ? "" : uri.getScheme().toLowerCase(Locale.ROOT);
        var tls = scheme.equals("https");
        if (!(tls || scheme.equals("http"))
                || uri.getHost() == null
                || uri.getUserInfo() != null
                || uri.getQuery() != null
                || uri.getFragment() != null) {
            throw wrong();
        }
        var path = uri.getRawPath().replaceAll("/+$", "");
        var api = path.isEmpty() ? DEFAULT_PATH : path;
        var root = api.endsWith(DEFAULT_PATH) ? api.substring(0, api.length() - DEFAULT_PATH.length()) : "";
        var port = uri.getPort() >= 0 ? uri.getPort() : tls ? 443 : 80;
        return new ServerAddress(tls, uri.getHost(), port, api, root);
    }

    private static IllegalArgumentException wrong() {
        return new IllegalArgumentException("http:// or https:// with a host, such as http://localhost:8000/v1");
    }

    /// A request to the server.
    ///
    /// @param path from the server's own root
    RequestOptions request(HttpMethod method, String path, @Nullable String apiKey) {
        var request = new RequestOptions()
                .setMethod(method)
                .setSsl(tls)
                .setHost(host)
                .setPort(port)
                .setURI(path);
        return apiKey == null ? request : request.putHeader("Authorization", "Bearer " + apiKey);
    }

    @Override
    public String toString() {
        return (tls ? "https://" : "http://") + host + ":" + port + apiPath;
    }
}
