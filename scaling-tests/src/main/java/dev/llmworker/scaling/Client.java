package dev.llmworker.scaling;

import com.fasterxml.jackson.annotation.JsonIgnore;
import java.io.IOException;
import java.io.InterruptedIOException;
import java.net.UnknownHostException;
import java.security.GeneralSecurityException;
import java.security.cert.X509Certificate;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.Predicate;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLException;
import javax.net.ssl.TrustManager;
import javax.net.ssl.X509TrustManager;
import okhttp3.ConnectionPool;
import okhttp3.Dispatcher;
import okhttp3.MediaType;
import okhttp3.OkHttpClient;
import okhttp3.Protocol;
import okhttp3.Request;
import okhttp3.RequestBody;
import okhttp3.Response;

/// Sends HTTP requests to the server and opens WebSockets, each with the program's headers and time limit.
///
/// Threading: any virtual thread; a call blocks it, and ends if it is interrupted.
final class Client implements AutoCloseable {
    private static final int MAX_IDLE_CONNECTIONS = 100_000;
    /// Shorter than the keep-alive limit of common servers, so that no request meets a connection that is being closed.
    private static final int KEEP_ALIVE_SECONDS = 4;
    /// How long a WebSocket waits for the other side to confirm the end.
    private static final int CLOSING_SECONDS = 1;
    private static final double HEALTH_PAUSE_SECONDS = 1;
    private static final int SHOWN_CHARACTERS = 120;
    private static final MediaType JSON = MediaType.get("application/json");

    /// The result of one HTTP request.
    ///
    /// @param at when it was sent, in seconds of the run
    /// @param millis until the whole answer had arrived, or the request failed
    /// @param status 0 if no answer came
    /// @param worker the worker's id in its headers; empty if they have none
    /// @param outcome `200`, `400 {"error":"no workers available"}`, `connection refused`
    record Answer(
            double at,
            double millis,
            int status,
            String worker,
            String outcome,
            @JsonIgnore String body) {
        boolean isOk() {
            return status == 200;
        }
    }

    /// Accepts any certificate.
    private record TrustAll() implements X509TrustManager {
        SSLContext context() {
            try {
                var context = SSLContext.getInstance("TLS");
                context.init(null, new TrustManager[] {this}, null);
                return context;
            } catch (GeneralSecurityException e) {
                throw new IllegalStateException(e);
            }
        }

        @Override
        public void checkClientTrusted(X509Certificate[] chain, String type) {}

        @Override
        public void checkServerTrusted(X509Certificate[] chain, String type) {}

        @Override
        public X509Certificate[] getAcceptedIssuers() {
            return new X509Certificate[0];
        }
    }

    interface Step<T> {
        void on(T one) throws InterruptedException;
    }

    private final Program program;
    private final OkHttpClient http;
    private final long startNanos = System.nanoTime();

    Client(Program program) {
        this.program = program;
        var timeout = Duration.ofMillis(Math.round(program.timeout * 1000));
        var dispatcher = new Dispatcher(Executors.newVirtualThreadPerTaskExecutor());
        // One of these for each WebSocket.
        dispatcher.setMaxRequests(Integer.MAX_VALUE);
        var builder = new OkHttpClient.Builder()
                .protocols(List.of(Protocol.HTTP_1_1))
                .dispatcher(dispatcher)
                .connectionPool(new ConnectionPool(MAX_IDLE_CONNECTIONS, KEEP_ALIVE_SECONDS, TimeUnit.SECONDS))
                .followRedirects(false)
                .connectTimeout(timeout)
                .readTimeout(timeout)
                .callTimeout(timeout)
                .webSocketCloseTimeout(CLOSING_SECONDS, TimeUnit.SECONDS);
        if (program.insecure) {
            var anyone = new TrustAll();
            builder.sslSocketFactory(anyone.context().getSocketFactory(), anyone)
                    .hostnameVerifier((_, _) -> true);
        }
        http = builder.build();
    }

    /// Seconds of the run.
    double now() {
        return (System.nanoTime() - startNanos) / 1e9;
    }

    double millisSince(double at) {
        return (now() - at) * 1000;
    }

    private Request.Builder request(String path, boolean withToken) {
        return new Request.Builder()
                .url(program.url.newBuilder().addPathSegments(path).build())
                .headers(program.headers(withToken));
    }

    Answer get(String path) throws InterruptedException {
        return answer(request(path, true));
    }

    /// @param worker sent as `X-Runpod-Worker-Id`
    Answer get(String path, String worker) throws InterruptedException {
        return answer(request(path, true).header(Program.WORKER_HEADER, worker));
    }

    Answer post(String path, Object json) throws InterruptedException {
        return answer(request(path, true).post(RequestBody.create(Json.write(json), JSON)));
    }

    private Answer answer(Request.Builder request) throws InterruptedException {
        var at = now();
        try (var response = http.newCall(request.build()).execute()) {
            var body = response.body().string();
            return new Answer(at, millisSince(at), response.code(), worker(response), outcome(response, body), body);
        } catch (IOException e) {
            throwIfInterrupted();
            return new Answer(at, millisSince(at), 0, "", failure(e), "");
        }
    }

    /// Posts a request and reads the lines of its answer as they arrive.
    ///
    /// @param isLast called for each line; true if the answer is complete
    /// @return why the answer is incomplete; empty if it is complete
    String lines(String path, Object json, Predicate<String> isLast) throws InterruptedException {
        var request = request(path, true).post(RequestBody.create(Json.write(json), JSON));
        try (var response = http.newCall(request.build()).execute()) {
            if (response.code() != 200) {
                return outcome(response, response.body().string());
            }
            var lines = response.body().source();
            for (var line = lines.readUtf8Line(); line != null; line = lines.readUtf8Line()) {
                if (isLast.test(line.strip())) {
                    return "";
                }
            }
            return "the stream ended before its answer";
        } catch (IOException e) {
            throwIfInterrupted();
            return failure(e);
        }
    }

    /// @param worker sent as `X-Runpod-Worker-Id`; empty for none
    ///
    /// @throws IOException if it does not open; the message says why
    WebSocketConnection open(String worker) throws InterruptedException, IOException {
        var request = request("ws", program.tokenIn != Program.TokenPlace.URL);
        if (!worker.isEmpty()) {
            request.header(Program.WORKER_HEADER, worker);
        }
        if (program.token != null && program.tokenIn != Program.TokenPlace.HEADER) {
            request.url(program.url
                    .newBuilder()
                    .addPathSegment("ws")
                    .addQueryParameter("token", program.token)
                    .build());
        }
        var connection = new WebSocketConnection(this::now);
        var opening = http.newWebSocket(request.build(), connection);
        try {
            connection.worker.get();
            return connection;
        } catch (ExecutionException e) {
            throw new IOException(e.getCause().getMessage());
        } catch (InterruptedException e) {
            opening.cancel();
            throw e;
        }
    }

    /// Requests `path` until the answer is a 200.
    ///
    /// @return all answers, of which the last is a 200
    /// @throws TimeoutException if none comes in time
    List<Answer> awaitHealthy(String path, Progress progress) throws InterruptedException, TimeoutException {
        var answers = new ArrayList<Answer>();
        var begin = now();
        while (true) {
            var answer = get(path);
            answers.add(answer);
            if (answer.isOk()) {
                return answers;
            }
            var waited = now() - begin;
            if (waited >= program.wait) {
                throw new TimeoutException("no healthy answer from %s/%s in %.1f s; the last of %d: %s"
                        .formatted(program.shownUrl(), path, waited, answers.size(), answer.outcome() + hint(answer)));
            }
            if (answers.size() == 1) {
                progress.begin("Waiting for the server: " + answer.outcome());
            }
            progress.update("%.0f s: %s", waited, answer.outcome());
            sleep(Math.min(HEALTH_PAUSE_SECONDS, program.wait - waited));
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

    /// The id of the worker that answered: in the worker's own header, or in RunPod's.
    static String worker(Response response) {
        return response.header("X-Worker-Id", response.header(Program.WORKER_HEADER, ""));
    }

    /// `200`, `400 {"error":"no workers available"}`, `302, redirected to https://…`.
    static String outcome(Response response, String body) {
        var location = response.header("Location");
        return location != null
                ? response.code() + ", redirected to " + location
                : response.code() == 200 ? "200" : (response.code() + " " + shortened(body)).strip();
    }

    /// What a server sent, on one line and no longer than a message should be.
    static String shortened(String text) {
        var line = text.strip().replaceAll("\\s+", " ");
        return line.length() <= SHOWN_CHARACTERS ? line : line.substring(0, SHOWN_CHARACTERS) + "…";
    }

    /// What went wrong on a connection, in words.
    static String failure(Throwable failure) {
        var message = String.valueOf(failure.getMessage());
        return switch (failure) {
            case InterruptedIOException _ -> "no answer in time";
            case UnknownHostException _ -> "no such host";
            case SSLException _ -> "TLS: " + shortened(message) + " (--insecure accepts any certificate)";
            case IOException _ when message.contains("reset") -> "connection reset";
            case IOException _ when message.startsWith("unexpected end") -> "connection closed without an answer";
            default -> shortened(message);
        };
    }

    /// A call that is interrupted fails like one whose connection is lost.
    private static void throwIfInterrupted() throws InterruptedException {
        if (Thread.interrupted()) {
            throw new InterruptedException();
        }
    }

    static void sleep(double seconds) throws InterruptedException {
        Thread.sleep((long) Math.ceil(seconds * 1000));
    }

    /// Does the same with all at the same time, and waits for all.
    static <T> void together(List<T> all, Step<T> step) throws InterruptedException {
        var tasks = new ArrayList<Callable<Boolean>>();
        for (var one : all) {
            tasks.add(() -> {
                step.on(one);
                return true;
            });
        }
        try (var threads = Executors.newVirtualThreadPerTaskExecutor()) {
            for (var done : threads.invokeAll(tasks)) {
                done.get();
            }
        } catch (ExecutionException e) {
            throw new IllegalStateException(e.getCause());
        }
    }

    @Override
    public void close() {
        http.dispatcher().cancelAll();
        http.dispatcher().executorService().shutdown();
        http.connectionPool().evictAll();
    }
}
