package dev.llmworker.scaling.client;

import dev.llmworker.scaling.report.Progress;
import io.vertx.core.Vertx;
import io.vertx.core.VertxOptions;
import io.vertx.core.buffer.Buffer;
import io.vertx.core.file.FileSystemOptions;
import io.vertx.core.http.HttpClient;
import io.vertx.core.http.HttpClientOptions;
import io.vertx.core.http.HttpClientRequest;
import io.vertx.core.http.HttpMethod;
import io.vertx.core.http.RequestOptions;
import io.vertx.core.http.WebSocketClient;
import io.vertx.core.http.WebSocketClientOptions;
import io.vertx.core.http.WebSocketConnectOptions;
import io.vertx.core.parsetools.RecordParser;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.Predicate;

/// Sends HTTP requests to the target and opens WebSockets, each with the target's headers and time limit.
///
/// Threading: any thread; a call blocks its caller and ends if the caller is interrupted.
public final class Client implements AutoCloseable {
    private static final int MAX_CONNECTIONS = 100_000;
    private static final int MAX_MESSAGE_BYTES = 16 << 20;
    /// Shorter than the keep-alive limit of common servers, so that no request meets a connection that is being closed.
    private static final int KEEP_ALIVE_SECONDS = 4;
    /// How long a WebSocket waits for the other side to confirm the end.
    private static final int CLOSING_SECONDS = 1;
    /// A balancer that answers at once may still be starting a worker.
    private static final double HEALTH_PAUSE_SECONDS = 1;
    private final Target target;
    private final RunClock clock;
    private final long timeoutMillis;
    private final Vertx vertx = Vertx.vertx(new VertxOptions()
            .setFileSystemOptions(
                    new FileSystemOptions().setFileCachingEnabled(false).setClassPathResolvingEnabled(false)));
    private final HttpClient http;
    private final WebSocketClient webSockets;

    public Client(Target target, RunClock clock) {
        this.target = target;
        this.clock = clock;
        timeoutMillis = Math.round(target.timeoutSeconds() * 1000);
        http = vertx.createHttpClient(new HttpClientOptions()
                .setMaxPoolSize(MAX_CONNECTIONS)
                .setKeepAliveTimeout(KEEP_ALIVE_SECONDS)
                .setConnectTimeout((int) timeoutMillis)
                .setTrustAll(target.isInsecure())
                .setVerifyHost(!target.isInsecure()));
        webSockets = vertx.createWebSocketClient(new WebSocketClientOptions()
                .setMaxConnections(MAX_CONNECTIONS)
                .setMaxFrameSize(MAX_MESSAGE_BYTES)
                .setMaxMessageSize(MAX_MESSAGE_BYTES)
                .setClosingTimeout(CLOSING_SECONDS)
                .setConnectTimeout((int) timeoutMillis)
                .setTrustAll(target.isInsecure())
                .setVerifyHost(!target.isInsecure()));
    }

    public RunClock clock() {
        return clock;
    }

    public Answer get(String path) throws InterruptedException {
        return get(path, Map.of());
    }

    public Answer get(String path, Map<String, String> headers) throws InterruptedException {
        var request = request(HttpMethod.GET, path);
        headers.forEach(request::putHeader);
        return answer(request, Buffer.buffer());
    }

    public Answer post(String path, Object json) throws InterruptedException {
        return answer(request(HttpMethod.POST, path), Buffer.buffer(Json.write(json)));
    }

    private RequestOptions request(HttpMethod method, String path) {
        var request = new RequestOptions()
                .setMethod(method)
                .setAbsoluteURI(target.http(path).toString())
                // After this long without a byte the connection is closed.
                .setIdleTimeout(timeoutMillis)
                .setHeaders(target.httpHeaders());
        return method == HttpMethod.POST ? request.putHeader("Content-Type", "application/json") : request;
    }

    private Answer answer(RequestOptions options, Buffer body) throws InterruptedException {
        var at = clock.seconds();
        try {
            return await(http.request(options)
                    .compose(request -> request.send(body))
                    .compose(response -> response.body()
                            .map(whole -> new Answer(
                                    at,
                                    clock.millisSince(at),
                                    response.statusCode(),
                                    Answer.worker(response.headers()),
                                    whole.toString(),
                                    "")))
                    .toCompletionStage()
                    .toCompletableFuture());
        } catch (ExecutionException | TimeoutException e) {
            return new Answer(at, clock.millisSince(at), 0, "", "", Failure.of(e));
        }
    }

    private <T> T await(CompletableFuture<T> result) throws InterruptedException, ExecutionException, TimeoutException {
        return result.get(timeoutMillis, TimeUnit.MILLISECONDS);
    }

    /// Posts a request and reads the lines of its answer as they arrive.
    ///
    /// @param isLast called for each line, on Vert.x's thread; true if the answer is complete
    /// @return why the answer is incomplete; empty if it is complete
    public String lines(String path, Object json, Predicate<String> isLast) throws InterruptedException {
        var result = new CompletableFuture<String>();
        var connecting = http.request(request(HttpMethod.POST, path));
        connecting
                .compose(request -> request.send(Json.write(json)))
                .compose(response -> {
                    if (response.statusCode() != 200) {
                        return response.body().map(body -> Answer.refusal(response.statusCode(), body.toString()));
                    }
                    response.handler(RecordParser.newDelimited("\n", line -> {
                        if (!result.isDone() && isLast.test(line.toString().strip())) {
                            result.complete("");
                        }
                    }));
                    return response.end().map("the stream ended before its answer");
                })
                .onSuccess(result::complete)
                .onFailure(failure -> result.complete(Failure.of(failure)));
        try {
            return await(result);
        } catch (ExecutionException | TimeoutException e) {
            connecting.onSuccess(HttpClientRequest::reset);
            return Failure.of(e);
        }
    }

    /// Opens the WebSocket of the target.
    ///
    /// @param headers in addition to those of the target
    public WebSocketConnection open(Map<String, String> headers)
            throws InterruptedException, WebSocketConnection.NotOpenedException {
        var options = new WebSocketConnectOptions()
                .setAbsoluteURI(target.webSocket().toString())
                .setHeaders(target.webSocketHeaders())
                .setAllowOriginHeader(false)
                .setTimeout(timeoutMillis);
        headers.forEach(options::putHeader);
        var socket = webSockets.webSocket();
        var connection = new WebSocketConnection(socket, clock);
        // Vert.x forgets the headers of the 101 after this.
        var opening = socket.connect(options).onSuccess(opened -> connection.opened(Answer.worker(opened.headers())));
        try {
            await(opening.toCompletionStage().toCompletableFuture());
            return connection;
        } catch (ExecutionException | TimeoutException e) {
            opening.onSuccess(_ -> connection.close());
            throw new WebSocketConnection.NotOpenedException(Failure.of(e));
        } catch (InterruptedException e) {
            opening.onSuccess(_ -> connection.close());
            throw e;
        }
    }

    /// Requests `path` until the answer is a 200.
    ///
    /// @return all answers, of which the last is a 200
    public List<Answer> awaitHealthy(String path, double limitSeconds, double pauseSeconds, Progress progress)
            throws InterruptedException, NoServerException {
        var answers = new ArrayList<Answer>();
        var begin = clock.seconds();
        while (true) {
            var answer = get(path);
            answers.add(answer);
            if (answer.isOk()) {
                return answers;
            }
            var waited = clock.seconds() - begin;
            if (waited >= limitSeconds) {
                throw new NoServerException("no healthy answer from %s%s in %s; the last of %d: %s%s"
                        .formatted(
                                target.shown(),
                                path,
                                Figures.seconds(waited),
                                answers.size(),
                                answer.outcome(),
                                hint(answer)));
            }
            if (answers.size() == 1) {
                progress.begin("Waiting for the server");
                progress.note(path + ": " + answer.outcome());
            }
            progress.update(waited / limitSeconds, "%.0f s, %s: %s".formatted(waited, path, answer.outcome()));
            Thread.sleep((long) (Math.min(HEALTH_PAUSE_SECONDS, pauseSeconds) * 1000));
        }
    }

    private static String hint(Answer last) {
        return switch (last.status()) {
            case 401, 403 -> " (is --token right? keys of the worker's own go into --header 'X-API-Key: …')";
            case 404 -> " (is --url right? on RunPod: is the endpoint's type Load Balancer?)";
            case 204 -> " (the worker is still loading: try a longer --wait)";
            case 400, 502, 503, 524 ->
                " (no worker started in time: try a longer --wait; on RunPod see the workers' logs)";
            default -> "";
        };
    }

    @Override
    public void close() {
        vertx.close();
    }
}
