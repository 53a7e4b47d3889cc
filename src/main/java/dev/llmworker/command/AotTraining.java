package dev.llmworker.command;

import dev.llmworker.assembly.Engines;
import dev.llmworker.assembly.Listening;
import dev.llmworker.assembly.RunPod;
import dev.llmworker.assembly.StartReport;
import dev.llmworker.assembly.WorkerBeans;
import dev.llmworker.generation.Generator;
import dev.llmworker.routes.CamelApplication;
import dev.llmworker.serving.port.HttpPort;
import dev.llmworker.settings.Settings;
import dev.llmworker.settings.SettingsSource;
import dev.llmworker.settings.UnknownSettings;
import dev.llmworker.stats.WorkerStats;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.net.http.WebSocket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.TimeUnit;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// A training run for the AOT cache. It starts the whole worker once with a tiny model on a free port, and
/// requests a few answers. The JVM records the run in an AOT cache (`-XX:AOTCacheOutput`), with which workers
/// start faster.
public final class AotTraining {
    private static final Logger LOG = LoggerFactory.getLogger(AotTraining.class);
    private static final Duration LIMIT = Duration.ofSeconds(60);
    private static final int HEALTHY = 200;
    private static final int MISSING = 404;
    private static final String SUFFIX = ".camel.yaml";
    /// Routes that the training asks. An operator's own ones are left out: they may do anything.
    static final List<String> OWN_ROUTES = List.of("errors", "generate", "metrics", "ping", "stats", "ws");

    /// The worker's other routes. An operator may have deleted them.
    static final List<String> MORE_ROUTES = List.of(
            "detokenize",
            "mcp",
            "page",
            "tokenize",
            "v1-chat-completions",
            "v1-completions",
            "v1-embeddings",
            "v1-generations-id-cancel",
            "v1-messages",
            "v1-messages-count-tokens",
            "v1-models",
            "v1-models-id",
            "v1-rerank",
            "v1-responses",
            "v1-responses-id",
            "v1-responses-id-cancel",
            "v1-responses-id-delete",
            "v1-responses-id-input-items",
            "v1-responses-websocket");

    private static final String REQUEST = "{\"prompt\":\"Hello\",\"max_tokens\":40,\"ignore_eos\":true}";
    private static final String STREAMED = "{\"prompt\":\"Hello\",\"max_tokens\":8,\"stream\":true}";
    private static final String CHAT =
            "{\"messages\":[{\"role\":\"user\",\"content\":\"Hello\"}],\"max_tokens\":8,\"stream\":%s}";

    private AotTraining() {}

    /// @throws Exception if the worker gives a wrong answer
    public static void run(Map<String, String> environment) throws Exception {
        var folder = Files.createTempDirectory("aot-training");
        try {
            var model = folder.resolve("model.gguf");
            TinyModel.write(model);
            var routes = Path.of(environment.getOrDefault("ROUTES", "routes"));
            for (var name : OWN_ROUTES) {
                Files.copy(routes.resolve(name + SUFFIX), folder.resolve(name + SUFFIX));
            }
            for (var name : MORE_ROUTES) {
                var file = routes.resolve(name + SUFFIX);
                if (Files.exists(file)) {
                    Files.copy(file, folder.resolve(file.getFileName()));
                }
            }
            // Ignores the operator's settings for real workers.
            perform(SettingsSource.read(Map.of(
                    "PORT",
                    "0",
                    "HOST",
                    "127.0.0.1",
                    "DEVICE",
                    "cpu",
                    "MODEL",
                    model.toString(),
                    "ROUTES",
                    folder.toString())));
        } finally {
            delete(folder);
        }
    }

    private static void delete(Path folder) throws IOException {
        try (var files = Files.list(folder)) {
            for (var file : files.toList()) {
                Files.delete(file);
            }
        }
        Files.delete(folder);
    }

    /// Begins as `Worker.run`, so that the cache has all that a start runs.
    private static void perform(SettingsSource source) throws Exception {
        var settings = Settings.of(source);
        var prepared = Engines.prepare(settings);
        UnknownSettings.warnings(source).forEach(LOG::warn);
        var report = StartReport.ofThisProcess(settings);
        var stats = new WorkerStats();
        var port = HttpPort.open(Listening.settings(settings));
        RunPod.check(settings, port::wasPinged);
        Generator generator = Engines.start(settings, port.vertx(), stats, report, prepared);
        var beans = WorkerBeans.of(port, generator, stats, report);
        var application = new CamelApplication(settings, beans);
        var failed = new CompletableFuture<Void>();
        Thread.ofPlatform().daemon().name("aot-training").start(() -> {
            try {
                application.run();
            } catch (Exception e) {
                failed.completeExceptionally(e);
            }
        });
        try (var client = HttpClient.newHttpClient()) {
            var server = URI.create("http://127.0.0.1:" + port.port());
            awaitHealthy(client, server, failed);
            expect(client, HttpRequest.newBuilder(server.resolve("/generate")).POST(body()));
            expect(
                    client,
                    HttpRequest.newBuilder(server.resolve("/generate"))
                            .header("Content-Type", "application/x-www-form-urlencoded")
                            .POST(body()));
            expect(
                    client,
                    HttpRequest.newBuilder(server.resolve("/generate"))
                            .POST(HttpRequest.BodyPublishers.ofString(STREAMED)));
            expect(client, HttpRequest.newBuilder(server.resolve("/stats")));
            expect(client, HttpRequest.newBuilder(server.resolve("/metrics")));
            for (var streams : List.of(false, true)) {
                var chat = HttpRequest.BodyPublishers.ofString(CHAT.formatted(streams));
                optional(
                        client,
                        HttpRequest.newBuilder(server.resolve("/v1/chat/completions"))
                                .POST(chat));
            }
            stream(client, URI.create("ws://127.0.0.1:" + port.port() + "/ws"));
        }
        application.stop();
    }

    private static void awaitHealthy(HttpClient client, URI server, CompletableFuture<Void> failed) throws Exception {
        var end = System.nanoTime() + LIMIT.toNanos();
        var ping = HttpRequest.newBuilder(server.resolve("/ping")).build();
        while (client.send(ping, HttpResponse.BodyHandlers.ofString()).statusCode() != HEALTHY) {
            if (failed.isCompletedExceptionally()) {
                failed.get();
            }
            if (System.nanoTime() > end) {
                throw new IOException("the worker is not ready after " + LIMIT.toSeconds() + " s");
            }
            Thread.sleep(20);
        }
    }

    private static HttpRequest.BodyPublisher body() {
        return HttpRequest.BodyPublishers.ofString(REQUEST);
    }

    private static void expect(HttpClient client, HttpRequest.Builder request) throws Exception {
        var answer = client.send(request.timeout(LIMIT).build(), HttpResponse.BodyHandlers.ofString());
        if (answer.statusCode() != HEALTHY) {
            throw new IOException(
                    answer.uri().getPath() + " answered HTTP " + answer.statusCode() + ": " + answer.body());
        }
    }

    /// A path that the operator may have deleted.
    private static void optional(HttpClient client, HttpRequest.Builder request) throws Exception {
        var answer = client.send(request.timeout(LIMIT).build(), HttpResponse.BodyHandlers.ofString());
        if (answer.statusCode() != HEALTHY && answer.statusCode() != MISSING) {
            throw new IOException(answer.request().uri() + " answered " + answer.statusCode() + ": " + answer.body());
        }
    }

    private static void stream(HttpClient client, URI address) throws Exception {
        var done = new CompletableFuture<Void>();
        var socket = client.newWebSocketBuilder()
                .buildAsync(address, new UntilDone(done))
                .get(LIMIT.toSeconds(), TimeUnit.SECONDS);
        socket.sendText(REQUEST, true);
        done.get(LIMIT.toSeconds(), TimeUnit.SECONDS);
        socket.sendClose(WebSocket.NORMAL_CLOSURE, "").get(LIMIT.toSeconds(), TimeUnit.SECONDS);
    }

    private record UntilDone(CompletableFuture<Void> done) implements WebSocket.Listener {
        @Override
        @SuppressWarnings("NullAway") // null tells the interface to release the message at once
        public CompletionStage<?> onText(WebSocket socket, CharSequence frame, boolean last) {
            socket.request(1);
            if (frame.toString().contains("\"done\"")) {
                done.complete(null);
            }
            return null;
        }

        @Override
        public void onError(WebSocket socket, Throwable failure) {
            done.completeExceptionally(failure);
        }
    }
}
