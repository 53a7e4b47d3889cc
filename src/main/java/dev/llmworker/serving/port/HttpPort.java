package dev.llmworker.serving.port;

import dev.llmworker.logs.ProcessEnd;
import dev.llmworker.serving.access.Access;
import dev.llmworker.serving.access.KeyRates;
import dev.llmworker.serving.access.PathRules;
import dev.llmworker.serving.connection.ConnectionClock;
import dev.llmworker.serving.connection.ConnectionLimit;
import dev.llmworker.serving.connection.Drain;
import dev.llmworker.serving.connection.QuietStreams;
import dev.llmworker.serving.connection.Requests;
import dev.llmworker.serving.connection.SlowReaders;
import dev.llmworker.serving.connection.SlowSenders;
import dev.llmworker.serving.connection.WebSockets;
import dev.llmworker.serving.memory.MemoryBudget;
import dev.llmworker.serving.wire.StrictJson;
import dev.llmworker.stats.HttpStats;
import io.vertx.core.Handler;
import io.vertx.core.Vertx;
import io.vertx.core.VertxOptions;
import io.vertx.core.file.FileSystemOptions;
import io.vertx.core.http.HttpConnection;
import io.vertx.core.http.HttpServer;
import io.vertx.core.http.HttpServerOptions;
import io.vertx.core.http.HttpServerRequest;
import io.vertx.core.http.impl.Http1xServerConnection;
import io.vertx.core.impl.VertxInternal;
import io.vertx.core.net.KeyCertOptions;
import java.net.InetAddress;
import java.net.UnknownHostException;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletionException;
import java.util.concurrent.TimeUnit;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// The port that serves HTTP and WebSocket. It opens before Camel exists, so that `/ping` is answered from the first
/// moment; [#serve] adds Camel's router later.
///
/// Threading: any thread.
public final class HttpPort implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(HttpPort.class);

    /// The largest WebSocket message, in one frame or in several.
    public static final int MAX_MESSAGE_BYTES = 1 << 20;

    private static final int MAX_HEADER_BYTES = 16 << 10;
    private static final int BACKLOG = 1024;
    // Connections to the health port, which also works when the other port has all that it may have.
    private static final int HEALTH_CONNECTIONS = 32;
    // A changed file of keys, or a changed certificate, is in force after two of these.
    private static final long FILES_MILLIS = 500;
    private static final long SECOND_MILLIS = 1000;
    private static final String LOCAL = "127.0.0.1";
    // How long a client may take to answer a close frame.
    private static final int CLOSING_SECONDS = 3;

    private final AcceptGate gate = new AcceptGate();
    private final Vertx vertx;
    private final ListenSettings settings;
    private final HttpStats stats = new HttpStats();
    private final RequestFilter filter;
    private final SlowSenders slowSenders;
    private final SlowReaders slowReaders;
    private final WebSockets webSockets;
    private final QuietStreams quietStreams;
    private final Requests requests = new Requests();
    private final PathRules pathRules = new PathRules();
    private final KeyRates rates;
    private final Drain drain;
    private final MemoryBudget memory;
    private final ConnectionLimit connections;
    private final ConnectionClock clock;
    private final Thread fileWatch;
    private final EventLoopWatch loopWatch = new EventLoopWatch(ProcessEnd::halt);
    private final List<HttpServer> servers = new ArrayList<>();

    /// Does not listen yet.
    HttpPort(ListenSettings settings) {
        this(settings, ConnectionClock::of);
    }

    private HttpPort(ListenSettings settings, Function<Vertx, ConnectionClock> clockOf) {
        this.settings = settings;
        // Nothing is served from the class path, so the file cache would only leave directories behind.
        vertx = gate.vertx(new VertxOptions()
                .setFileSystemOptions(
                        new FileSystemOptions().setFileCachingEnabled(false).setClassPathResolvingEnabled(false)));
        clock = clockOf.apply(vertx);
        var capacity = settings.capacity();
        memory = new MemoryBudget(capacity.memoryBytes());
        connections = new ConnectionLimit(capacity.connections(), capacity.connectionsPerAddress(), clock);
        slowSenders = new SlowSenders(clock, settings.timeouts());
        slowReaders = new SlowReaders(clock, settings.timeouts(), memory);
        webSockets = new WebSockets(clock, settings.timeouts(), settings.maxWebSockets());
        quietStreams = new QuietStreams(clock);
        drain = new Drain(settings.timeouts(), webSockets, slowSenders, pathRules);
        filter = new RequestFilter(
                new Access(settings.keys(), settings.metricsKeys(), settings.origins(), pathRules),
                drain,
                settings.healthPaths(),
                settings.workerId(),
                stats);
        rates = new KeyRates(settings.keys(), System::nanoTime);
        settings.keys().whenChanged(() -> webSockets.closeRevoked(settings.keys()));
        // A thread, not a timer of an event loop: reading could end after the loop, and its result would have nowhere
        // to go.
        fileWatch = Thread.ofVirtual().name("changed-files").start(this::watchFiles);
        ((VertxInternal) vertx).getAcceptorEventLoopGroup().forEach(loopWatch::add);
        loopWatch.start();
    }

    private void watchFiles() {
        try {
            while (!Thread.currentThread().isInterrupted()) {
                Thread.sleep(FILES_MILLIS);
                refreshKeys();
                refreshCertificate();
            }
        } catch (InterruptedException _) {
            // The port is closed.
        }
    }

    private void refreshKeys() {
        try {
            settings.keys().refresh();
        } catch (RuntimeException | Error e) {
            LOG.error("the API keys were not read again", e);
        }
    }

    private void refreshCertificate() {
        var tls = settings.tls();
        try {
            if (tls != null) {
                tls.refresh(vertx);
            }
        } catch (RuntimeException e) {
            LOG.error("the TLS certificate was not read again", e);
        }
    }

    /// Opens the ports of `settings`.
    public static HttpPort open(ListenSettings settings) throws PortException {
        return open(settings, ConnectionClock::of);
    }

    /// Opens the ports of `settings`.
    ///
    /// @param clock measures how long clients take
    public static HttpPort open(ListenSettings settings, Function<Vertx, ConnectionClock> clock) throws PortException {
        var port = new HttpPort(settings, clock);
        try {
            port.listen(settings.host(), settings.port());
            return port;
        } catch (PortException e) {
            port.close();
            throw e;
        }
    }

    private void announce() {
        var capacity = settings.capacity();
        LOG.info(
                "limits: {} connections, {} MB for all requests under way",
                capacity.connections(),
                capacity.memoryBytes() / 1_000_000);
        if (!settings.keys().areWanted() && !isLoopback(settings.host())) {
            LOG.warn(
                    "no API key is set: everyone who can reach {} can use the worker; set API_KEYS to change that",
                    url());
        }
    }

    private static boolean isLoopback(String host) {
        try {
            return InetAddress.getByName(host).isLoopbackAddress();
        } catch (UnknownHostException _) {
            return false;
        }
    }

    /// Opens `port`, and the health port if it differs.
    private void listen(String host, int port) throws PortException {
        var tls = settings.tls();
        var certificate = tls == null ? null : tls.first(vertx);
        listen("PORT", host, port, options(certificate), connections, filter);
        var local = settings.localHealthPort();
        if (settings.healthPort() != settings.port() && settings.healthPort() != port) {
            listenForHealth("PORT_HEALTH", host, settings.healthPort());
        } else if (certificate != null && local != null) {
            listenForHealth("PORT_HEALTH_LOCAL", LOCAL, local);
        }
    }

    private void listenForHealth(String variable, String host, int port) throws PortException {
        listen(
                variable,
                host,
                port,
                options(null),
                new ConnectionLimit(HEALTH_CONNECTIONS, 0, clock),
                filter::handleHealth);
    }

    private void listen(
            String variable,
            String host,
            int port,
            HttpServerOptions options,
            ConnectionLimit limit,
            Handler<HttpServerRequest> handler)
            throws PortException {
        var server = vertx.createHttpServer(options)
                .connectionHandler(this::connected)
                .invalidRequestHandler(filter::handleInvalid)
                .requestHandler(request -> {
                    slowSenders.requestBegan(request);
                    handler.handle(request);
                });
        gate.limitNext(limit);
        try {
            server.listen(port, host).toCompletionStage().toCompletableFuture().join();
        } catch (CompletionException e) {
            throw PortException.of(variable, host, port, e.getCause() == null ? e : e.getCause());
        }
        servers.add(server);
    }

    /// @param certificate for TLS; null for plain HTTP. Nobody chooses another protocol by it: HTTP/1.1 stays the only
    /// one
    private HttpServerOptions options(@Nullable KeyCertOptions certificate) {
        var options = new HttpServerOptions()
                .setMaxInitialLineLength(MAX_HEADER_BYTES)
                .setMaxHeaderSize(MAX_HEADER_BYTES)
                .setCompressionSupported(false)
                .setDecompressionSupported(false)
                .setPerMessageWebSocketCompressionSupported(false)
                .setPerFrameWebSocketCompressionSupported(false)
                .setMaxWebSocketFrameSize(MAX_MESSAGE_BYTES)
                .setMaxWebSocketMessageSize(MAX_MESSAGE_BYTES)
                .setWebSocketClosingTimeout(CLOSING_SECONDS)
                .setHttp2ClearTextEnabled(false)
                .setAcceptBacklog(BACKLOG)
                .setTcpNoDelay(true)
                // Detects peers that vanished silently; an idle WebSocket whose peer is alive is kept.
                .setTcpKeepAlive(true);
        if (certificate != null) {
            options.setSsl(true)
                    .setUseAlpn(false)
                    .setKeyCertOptions(certificate)
                    // The other clocks begin after the handshake.
                    .setSslHandshakeTimeout(settings.timeouts().header().toMillis())
                    .setSslHandshakeTimeoutUnit(TimeUnit.MILLISECONDS);
        }
        return options;
    }

    private void connected(HttpConnection connection) {
        if (connection instanceof Http1xServerConnection http) {
            StrictRequestDecoder.install(http.channel().pipeline(), options(null), memory);
            slowReaders.connected(http.channel());
            loopWatch.add(http.channel().eventLoop());
        }
        slowSenders.connected(connection);
    }

    /// From now on requests go to `router`.
    public void serve(Handler<HttpServerRequest> router) {
        announce();
        filter.serve(router);
        Thread.ofPlatform().daemon().name("json").start(StrictJson::prepare);
    }

    /// Whether a health check has arrived, at either port.
    public boolean wasPinged() {
        return filter.wasPinged();
    }

    /// Where it is reached: `http://127.0.0.1:8080`, `https://[::1]:8443`.
    public String url() {
        var host = settings.host();
        return (settings.tls() == null ? "http" : "https") + "://"
                + (host.indexOf(':') < 0 ? host : "[" + host.replace("%", "%25") + "]") + ":" + port();
    }

    /// The port that is open, or 0 if none is.
    public int port() {
        return servers.isEmpty() ? 0 : servers.getFirst().actualPort();
    }

    /// The health port, or 0 if there is none.
    public int healthPort() {
        return servers.size() < 2 ? 0 : servers.getLast().actualPort();
    }

    /// The budget for the memory of all requests under way.
    public MemoryBudget memory() {
        return memory;
    }

    /// What clients' API keys use of their limits.
    public KeyRates rates() {
        return rates;
    }

    /// How many connections are open, without those to the health port.
    public int connections() {
        return connections.open();
    }

    public SlowSenders slowSenders() {
        return slowSenders;
    }

    public Drain drain() {
        return drain;
    }

    /// The rules that routes have for their own paths.
    public PathRules pathRules() {
        return pathRules;
    }

    /// Runs a task every second until the port is closed. It may wait: it has a thread of its own.
    public void everySecond(String name, Runnable task) {
        clock.every(SECOND_MILLIS, _ -> Thread.ofVirtual().name(name).start(task));
    }

    public QuietStreams quietStreams() {
        return quietStreams;
    }

    public Requests requests() {
        return requests;
    }

    public WebSockets webSockets() {
        return webSockets;
    }

    /// Counts of the requests to this port.
    public HttpStats stats() {
        return stats;
    }

    /// Its event loops.
    public Vertx vertx() {
        return vertx;
    }

    /// How it listens.
    public ListenSettings settings() {
        return settings;
    }

    /// Closes the ports, all connections, and the event loops.
    @Override
    public void close() {
        fileWatch.interrupt();
        loopWatch.close();
        vertx.close().toCompletionStage().toCompletableFuture().join();
    }
}
