package dev.llmworker.remote;

import dev.llmworker.generation.Answer;
import dev.llmworker.generation.Generation;
import dev.llmworker.generation.GenerationEvent;
import dev.llmworker.generation.GenerationRequest;
import dev.llmworker.generation.Generator;
import dev.llmworker.generation.Lease;
import dev.llmworker.generation.OpenAiRelay;
import dev.llmworker.generation.OpenAiRequest;
import dev.llmworker.generation.Readiness;
import dev.llmworker.generation.RefusedException;
import dev.llmworker.generation.RelayEvent;
import io.vertx.core.Context;
import io.vertx.core.Vertx;
import io.vertx.core.buffer.Buffer;
import io.vertx.core.http.HttpClient;
import io.vertx.core.http.HttpClientOptions;
import io.vertx.core.http.PoolOptions;
import io.vertx.core.impl.VertxInternal;
import io.vertx.core.net.PemTrustOptions;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Supplier;
import java.util.stream.IntStream;

/// Generates with servers that speak OpenAI's API.
///
/// Threading: any thread.
public final class RemoteGenerator implements Generator, OpenAiRelay {
    private static final Duration CONNECT_LIMIT = Duration.ofSeconds(5);
    // Half of the cores read what the servers send, because processing it takes as much again.
    private static final int EVENT_LOOPS = Math.clamp(Runtime.getRuntime().availableProcessors() / 2, 1, 16);
    private static final int CHECK_CONNECTIONS = 2;
    // Shorter than the servers' limits (uvicorn: 5 s). Otherwise a server might close a connection while a
    // request is on its way.
    private static final int IDLE_SECONDS = 4;

    private final Vertx vertx;
    private final RemoteOptions options;
    private final List<EventLoop> eventLoops;
    private final AtomicInteger turn = new AtomicInteger();
    private final HttpClient checkClient;
    private final RemoteServers servers;
    private final Map<RemoteServer, HealthCheck> checks = new ConcurrentHashMap<>();
    private final Set<RemoteAnswer<?>> running = ConcurrentHashMap.newKeySet();
    private volatile Runnable last = () -> {};
    private volatile boolean closed;

    /// An event loop and the connections that it reads. With one pool for all loops, a generation could get a
    /// connection of another loop. Each token would then cross one more thread.
    record EventLoop(Context context, HttpClient client) {}

    private RemoteGenerator(Vertx vertx, RemoteOptions options) {
        this.vertx = vertx;
        this.options = options;
        int count = Math.min(EVENT_LOOPS, options.connections());
        // All event loops together have the allowed number of connections to a server, rounded up for each.
        int each = Math.ceilDiv(options.connections(), count);
        eventLoops = IntStream.range(0, count)
                .mapToObj(_ ->
                        new EventLoop(((VertxInternal) vertx).createEventLoopContext(), client(vertx, options, each)))
                .toList();
        checkClient = client(vertx, options, CHECK_CONNECTIONS);
        servers = new RemoteServers(options.connections());
    }

    /// Starts to probe the servers. Requests are refused until one is ready.
    public static RemoteGenerator start(Vertx vertx, RemoteOptions options) {
        var generator = new RemoteGenerator(vertx, options);
        options.servers().forEach(address -> generator.add(new RemoteServer(address, System::nanoTime)));
        return generator;
    }

    private void add(RemoteServer server) {
        var check = new HealthCheck(vertx, checkClient, server, options);
        checks.put(server, check);
        servers.add(server);
        ((VertxInternal) vertx).createEventLoopContext().runOnContext(_ -> check.run());
    }

    /// Begins to probe a server that has just been started. If it does not answer later, it counts as loading, because
    /// it will be started again.
    public void serveAt(ServerAddress address) {
        add(new RemoteServer(address, new Readiness.Loading(), System::nanoTime));
    }

    /// Sends no more requests to the servers of [#serveAt]: they have ended. What still runs there ends with an error.
    public void serveNowhere() {
        for (var server : servers.all()) {
            servers.remove(server);
            Optional.ofNullable(checks.remove(server)).ifPresent(HealthCheck::close);
        }
    }

    /// Sets how ready this is if no server is.
    public void otherwise(Readiness readiness) {
        servers.otherwise(readiness);
    }

    /// When a server was last heard, in nanoseconds of no particular origin: a health check passed, or a part of an
    /// answer came.
    public long lastHeard() {
        return servers.all().stream().mapToLong(RemoteServer::lastHeard).max().orElse(0);
    }

    /// @param last runs once this generator has ended its answers
    public void closeWith(Runnable last) {
        this.last = last;
    }

    private static HttpClient client(Vertx vertx, RemoteOptions options, int connections) {
        var http = new HttpClientOptions()
                .setConnectTimeout((int) CONNECT_LIMIT.toMillis())
                .setKeepAliveTimeout(IDLE_SECONDS)
                .setTcpNoDelay(true)
                .setTcpKeepAlive(true);
        if (options.authorities() != null) {
            http.setTrustOptions(new PemTrustOptions().addCertValue(Buffer.buffer(options.authorities())));
        }
        return vertx.createHttpClient(http, new PoolOptions().setHttp1MaxSize(connections));
    }

    @Override
    public Generation submit(GenerationRequest request) {
        var question = ApiRequest.of(request);
        return begin(() -> {
            question.prepare(servers.all());
            return new RemoteGeneration(question, request);
        });
    }

    @Override
    public Answer<RelayEvent> relay(OpenAiRequest request) {
        var question = ApiRequest.of(request);
        var choices = request.choices();
        return begin(() -> new RemoteAnswer<RelayEvent>(
                servers,
                nextEventLoop(),
                question,
                options.apiKey(),
                finished -> finished,
                () -> new ChunkReader(choices),
                running::remove));
    }

    /// A server's answer as tokens.
    private final class RemoteGeneration extends RemoteAnswer<GenerationEvent> implements Generation {
        RemoteGeneration(ApiRequest question, GenerationRequest request) {
            super(
                    servers,
                    nextEventLoop(),
                    question,
                    options.apiKey(),
                    finished -> finished,
                    () -> new TokenReader(request.parts(), request.stop()),
                    running::remove);
        }
    }

    private EventLoop nextEventLoop() {
        return eventLoops.get(Math.floorMod(turn.getAndIncrement(), eventLoops.size()));
    }

    private <A extends RemoteAnswer<?>> A begin(Supplier<A> answers) {
        if (closed) {
            throw new RefusedException(RefusedException.Reason.FAILED, "engine_stopped", "the worker is shutting down");
        }
        try (var place = servers.take(List.of())) {
            if (place == null) {
                throw new IllegalStateException("no server was taken or refused");
            }
            var answer = answers.get();
            running.add(answer);
            try (var membership = Lease.of(() -> running.remove(answer))) {
                answer.start(place, options.timeout());
                membership.keep();
            }
            return answer;
        }
    }

    /// The number of servers that get requests now.
    public long readyServers() {
        return servers.all().stream().filter(RemoteServer::isReady).count();
    }

    /// The number of running generations at each server.
    public List<Integer> outstanding() {
        return servers.all().stream().map(RemoteServer::outstanding).toList();
    }

    @Override
    public Readiness readiness() {
        return closed ? new Readiness.Failed("the worker is shutting down") : servers.readiness();
    }

    @Override
    public Optional<String> modelId() {
        return options.model() == null ? servers.modelId() : Optional.of(options.model());
    }

    @Override
    public void close() {
        closed = true;
        checks.values().forEach(HealthCheck::close);
        running.forEach(RemoteAnswer::close);
        checkClient.close();
        eventLoops.forEach(loop -> loop.client.close());
        last.run();
    }
}
