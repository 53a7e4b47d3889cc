package dev.llmworker.remote;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.MissingNode;
import io.vertx.core.Future;
import io.vertx.core.Promise;
import io.vertx.core.Vertx;
import io.vertx.core.buffer.Buffer;
import io.vertx.core.http.HttpClient;
import io.vertx.core.http.HttpClientRequest;
import io.vertx.core.http.HttpClientResponse;
import io.vertx.core.http.HttpMethod;
import java.io.IOException;
import java.net.ConnectException;
import java.security.cert.CertificateException;
import java.time.Duration;
import java.util.Objects;
import javax.net.ssl.SSLException;

/// Keeps checking whether a server can serve. It requests the health path, if there is one. It also requests the
/// list of models until it succeeds once, to learn the model's name.
///
/// Threading: an event loop of its own.
final class HealthCheck {
    private static final Duration WHILE_READY = Duration.ofSeconds(2);
    private static final Duration WHILE_NOT = Duration.ofMillis(250);
    private static final Duration LIMIT = Duration.ofSeconds(2);
    /// Enough for a list of thousands of models.
    private static final int MAX_BYTES = 1 << 20;
    private static final int OK = 200;
    private static final int SERVER_ERROR = 500;
    private static final ObjectMapper JSON = new ObjectMapper();

    private final Vertx vertx;
    private final HttpClient client;
    private final RemoteServer server;
    private final RemoteOptions options;
    private boolean hasNoHealthPath;
    private boolean hasListed;
    private volatile boolean closed;

    /// @param client not shared, so that a check never waits behind generations
    HealthCheck(Vertx vertx, HttpClient client, RemoteServer server, RemoteOptions options) {
        this.vertx = vertx;
        this.client = client;
        this.server = server;
        this.options = options;
    }

    private record Answer(int status, Buffer body) {}

    /// Checks now, and then periodically.
    void run() {
        if (closed) {
            return;
        }
        check().onComplete(checked -> {
            if (checked.failed()) {
                failed(checked.cause());
            }
            if (!closed) {
                vertx.setTimer((server.isReady() ? WHILE_READY : WHILE_NOT).toMillis(), _ -> run());
            }
        });
    }

    private void failed(Throwable cause) {
        for (Throwable inner = cause; inner != null; inner = inner.getCause()) {
            if (inner instanceof CertificateException) {
                server.refuses(
                        "the certificate of the engine's server is not trusted",
                        inner.getMessage() + "; ENGINE_CA_FILE can name a file of trusted certificates");
                return;
            }
            // Netty reports this with an exception of its own.
            if (inner instanceof SSLException
                    && String.valueOf(inner.getMessage()).startsWith("not an SSL/TLS record")) {
                server.refuses(
                        "the engine's server does not speak TLS", "ENGINE_BASE_URL may have to begin with http://");
                return;
            }
        }
        server.unhealthy(String.valueOf(cause.getMessage()), cause instanceof ConnectException);
    }

    void close() {
        closed = true;
    }

    private Future<Void> check() {
        var path = options.healthPath();
        if (path == null) {
            server.healthy(Objects.requireNonNull(options.model()));
            return Future.succeededFuture();
        }
        if (hasNoHealthPath) {
            return listModels();
        }
        return get(server.address().rootPath() + path).compose(answer -> {
            if (answer.status >= SERVER_ERROR || answer.status == 429) {
                return Future.failedFuture(new IOException(path + " answers " + answer.status));
            }
            // Not all servers have a health path; all have the list of models.
            hasNoHealthPath = answer.status != OK && answer.status != 204;
            if (hasNoHealthPath || !hasListed) {
                return listModels();
            }
            server.healthy(String.valueOf(server.model()));
            return Future.succeededFuture();
        });
    }

    private Future<Void> listModels() {
        return get(server.address().apiPath() + "/models").compose(answer -> {
            if (answer.status == 401 || answer.status == 403) {
                server.refuses(
                        "the engine's server rejects the worker's key",
                        "ENGINE_API_KEY is " + (options.apiKey() == null ? "not set" : "wrong"));
                return Future.succeededFuture();
            }
            if (answer.status >= SERVER_ERROR || answer.status == 429) {
                return Future.failedFuture(new IOException("/models answers " + answer.status));
            }
            var listed = listed(answer);
            var model = options.model() == null ? listed.path("id").textValue() : options.model();
            if (model == null) {
                return Future.failedFuture(new IOException("/models lists no model; set ENGINE_MODEL"));
            }
            hasListed = true;
            server.speaks(Dialect.of(listed.path("owned_by").asText()));
            server.healthy(model);
            return Future.succeededFuture();
        });
    }

    /// The entry of the model that is used: the first one, if the operator names none.
    private JsonNode listed(Answer answer) {
        JsonNode list;
        try {
            list = JSON.readTree(answer.body.getBytes());
        } catch (IOException _) {
            list = null;
        }
        if (list == null) {
            return MissingNode.getInstance();
        }
        for (var entry : list.path("data")) {
            if (entry.path("id").asText().equals(options.model())) {
                return entry;
            }
        }
        return list.path("data").path(0);
    }

    private Future<Answer> get(String path) {
        var request =
                server.address().request(HttpMethod.GET, path, options.apiKey()).setTimeout(LIMIT.toMillis());
        return client.request(request).compose(sent -> sent.send().compose(response -> read(path, sent, response)));
    }

    /// Reads an answer, as far as its size and the time allow. Otherwise a server that does not end its answer would
    /// fill the heap, and would not be checked again.
    private Future<Answer> read(String path, HttpClientRequest sent, HttpClientResponse response) {
        var read = Promise.<Answer>promise();
        var body = Buffer.buffer();
        var timer =
                vertx.setTimer(LIMIT.toMillis(), _ -> read.tryFail(new IOException(path + " does not end its answer")));
        response.exceptionHandler(read::tryFail)
                .endHandler(_ -> read.tryComplete(new Answer(response.statusCode(), body)))
                .handler(bytes -> {
                    if (body.length() + bytes.length() <= MAX_BYTES) {
                        body.appendBuffer(bytes);
                    } else {
                        read.tryFail(new IOException(path + " answers more than " + MAX_BYTES + " bytes"));
                    }
                });
        return read.future().onComplete(answer -> {
            vertx.cancelTimer(timer);
            if (answer.failed()) {
                sent.reset();
            }
        });
    }
}
