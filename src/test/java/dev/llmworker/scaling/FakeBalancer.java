package dev.llmworker.scaling;

import dev.llmworker.generation.MockGenerator;
import dev.llmworker.testing.RunningWorker;
import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.file.Path;
import java.security.KeyStore;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Consumer;
import javax.net.ServerSocketFactory;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import org.jspecify.annotations.Nullable;

/// A load balancer before real workers, which starts and stops them, and misbehaves by its rules.
final class FakeBalancer implements AutoCloseable {
    /// One worker and the connections that lead to it.
    record Upstream(String id, RunningWorker worker, Set<BalancedConnection> connections) {}

    private static final int TICK_MILLIS = 20;

    final BalancerRules rules = new BalancerRules();
    /// Held by an upgrade where they serialise.
    final ReentrantLock upgrading = new ReentrantLock(true);

    private final ServerSocket server;
    private final Set<BalancedConnection> connections = ConcurrentHashMap.newKeySet();
    private final List<Upstream> upstreams = new ArrayList<>();
    private volatile int started;
    private int answered;
    private int next;
    private int inFlight;
    private int starting;
    private long idleSinceNanos = System.nanoTime();
    private volatile long longestTickMillis;
    private volatile boolean closed;

    FakeBalancer(Consumer<BalancerRules> change) throws Exception {
        change.accept(rules);
        rules.slowDown();
        server = serverSockets(rules.keyStore).createServerSocket(0, 256, InetAddress.getLoopbackAddress());
        for (var i = 0; i < rules.workers; i++) {
            startWorker();
        }
        Thread.ofVirtual().name("accept").start(this::accept);
        Thread.ofVirtual().name("tick").start(this::tick);
    }

    private static ServerSocketFactory serverSockets(@Nullable Path keyStore) throws Exception {
        if (keyStore == null) {
            return ServerSocketFactory.getDefault();
        }
        var password = "changeit".toCharArray();
        var keys = KeyManagerFactory.getInstance(KeyManagerFactory.getDefaultAlgorithm());
        keys.init(KeyStore.getInstance(keyStore.toFile(), password), password);
        var context = SSLContext.getInstance("TLS");
        context.init(keys.getKeyManagers(), null, null);
        return context.getServerSocketFactory();
    }

    String url() {
        return (rules.keyStore == null ? "http" : "https") + "://127.0.0.1:" + server.getLocalPort();
    }

    private void accept() {
        while (!closed) {
            try {
                var client = server.accept();
                client.setTcpNoDelay(true);
                var connection = new BalancedConnection(this, client);
                connections.add(connection);
                Thread.ofVirtual().name("connection").start(() -> {
                    connection.serve();
                    connections.remove(connection);
                });
            } catch (IOException _) {
                return;
            }
        }
    }

    /// The longest time in which nothing of this process ran, whatever it should have done.
    long longestStallMillis() {
        return longestTickMillis;
    }

    private void tick() {
        while (!closed) {
            var begunNanos = System.nanoTime();
            try {
                Thread.sleep(TICK_MILLIS);
            } catch (InterruptedException _) {
                return;
            }
            longestTickMillis = Math.max(longestTickMillis, (System.nanoTime() - begunNanos) / 1_000_000);
            connections.forEach(connection -> connection.cutWhereDue(System.nanoTime()));
            if (wantsWorker()) {
                Thread.ofPlatform().daemon().name("start").start(this::startWorker);
            }
            stopWhereIdle();
        }
    }

    private synchronized boolean wantsWorker() {
        var there = upstreams.size() + starting;
        if (there >= rules.maxWorkers || inFlight <= there * rules.requestsPerWorker) {
            return false;
        }
        starting++;
        return true;
    }

    private void startWorker() {
        try {
            Thread.sleep(started == 0 ? 0 : rules.startMillis);
            var worker = RunningWorker.with(new MockGenerator());
            synchronized (this) {
                upstreams.add(new Upstream("worker" + ++started, worker, ConcurrentHashMap.newKeySet()));
                starting = Math.max(0, starting - 1);
                idleSinceNanos = System.nanoTime();
                notifyAll();
            }
        } catch (Exception e) {
            throw new IllegalStateException("the worker does not start", e);
        }
    }

    private void stopWhereIdle() {
        List<Upstream> stopped;
        synchronized (this) {
            var idleMillis = (System.nanoTime() - idleSinceNanos) / 1_000_000;
            if (rules.idleTimeoutMillis == 0 || inFlight > 0 || idleMillis < rules.idleTimeoutMillis) {
                return;
            }
            stopped = List.copyOf(upstreams);
            upstreams.clear();
        }
        stopped.forEach(FakeBalancer::stop);
    }

    private static void stop(Upstream upstream) {
        upstream.worker().close();
        upstream.connections().forEach(BalancedConnection::close);
    }

    /// Counts a request, or a WebSocket, as in flight; waits while the limit is reached.
    synchronized void begin() throws InterruptedException {
        while (rules.inFlightLimit > 0 && inFlight >= rules.inFlightLimit) {
            wait();
        }
        inFlight++;
    }

    synchronized void end() {
        inFlight--;
        idleSinceNanos = System.nanoTime();
        notifyAll();
    }

    /// The status of an answer instead of a worker's; empty when it is a worker's turn.
    synchronized String answerBefore() {
        return answered < rules.firstAnswers.size() ? rules.firstAnswers.get(answered++) : "";
    }

    /// Whose turn it is, or the one asked for; null where there is none, and the request is not held for one.
    synchronized @Nullable Upstream upstream(@Nullable String wanted) throws InterruptedException {
        while (upstreams.isEmpty() && rules.holdsRequests && !closed) {
            wait();
        }
        if (upstreams.isEmpty()) {
            if (starting == 0) {
                starting++;
                Thread.ofPlatform().daemon().name("start").start(this::startWorker);
            }
            return null;
        }
        if (rules.affinity && wanted != null) {
            var id = wanted.substring(wanted.lastIndexOf(' ') + 1);
            for (var upstream : upstreams) {
                if (upstream.id().equals(id)) {
                    return upstream;
                }
            }
        }
        return upstreams.get(next++ % upstreams.size());
    }

    @Override
    public void close() throws IOException {
        closed = true;
        server.close();
        connections.forEach(BalancedConnection::close);
        List<Upstream> all;
        synchronized (this) {
            all = List.copyOf(upstreams);
            upstreams.clear();
            notifyAll();
        }
        all.forEach(FakeBalancer::stop);
    }
}
