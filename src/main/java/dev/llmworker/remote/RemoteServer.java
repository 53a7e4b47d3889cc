package dev.llmworker.remote;

import dev.llmworker.generation.Lease;
import dev.llmworker.generation.Readiness;
import java.time.Duration;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// A server's health and its load.
///
/// A server that fails often is ejected: it gets no requests for a time that doubles with each ejection. After
/// that time it must first be healthy again.
///
/// Threading: any thread.
final class RemoteServer {
    private static final Logger LOG = LoggerFactory.getLogger(RemoteServer.class);
    private static final int FAILURES_TO_EJECTION = 3;
    private static final int CHECKS_TO_GONE = 2;
    private static final Duration FIRST_EJECTION = Duration.ofSeconds(1);
    private static final Duration LONGEST_EJECTION = Duration.ofSeconds(32);

    private final ServerAddress address;
    private final Readiness whenGone;
    private final LongSupplier clock;
    private Readiness health = new Readiness.Loading();
    private @Nullable String model;
    private Dialect dialect = Dialect.OPENAI;
    private int outstanding;
    private int failures;
    private int failedChecks;
    private int ejections;
    private long ejectedUntilNanos;
    private boolean ejected;
    private volatile long heard;

    /// A place at a server, which counts as one of our generations there until it is closed.
    ///
    /// Threading: any thread.
    record Place(RemoteServer server, Lease lease) implements AutoCloseable {
        /// The owner's place. Closing this one does nothing any more.
        Place handOver() {
            return new Place(server, lease.handOver());
        }

        @Override
        public void close() {
            lease.close();
        }
    }

    /// @param clock in nanoseconds
    RemoteServer(ServerAddress address, LongSupplier clock) {
        this(address, new Readiness.Failed("the engine's server does not answer"), clock);
    }

    /// @param whenGone its health when it was ready and does not answer any more
    RemoteServer(ServerAddress address, Readiness whenGone, LongSupplier clock) {
        this.address = address;
        this.whenGone = whenGone;
        this.clock = clock;
    }

    ServerAddress address() {
        return address;
    }

    /// The server's own name for the model; null while it is not known.
    synchronized @Nullable String model() {
        return model;
    }

    synchronized Dialect dialect() {
        return dialect;
    }

    /// The server says what it is.
    synchronized void speaks(Dialect spoken) {
        dialect = spoken;
    }

    synchronized Readiness health() {
        return health;
    }

    /// How many of our generations the server works on.
    synchronized int outstanding() {
        return outstanding;
    }

    synchronized boolean isReady() {
        return health instanceof Readiness.Ready && !(ejected && clock.getAsLong() - ejectedUntilNanos < 0);
    }

    /// Takes a place for one generation.
    synchronized Place place() {
        outstanding++;
        return new Place(this, Lease.of(this::left));
    }

    private synchronized void left() {
        outstanding--;
    }

    /// The server has completed an answer.
    synchronized void succeeded() {
        failures = 0;
        ejections = 0;
        ejected = false;
    }

    /// The server has failed.
    ///
    /// @param mayEject whether other servers can take its requests
    synchronized void failed(boolean mayEject) {
        failures++;
        if (failures < FAILURES_TO_EJECTION || !mayEject) {
            return;
        }
        failures = 0;
        var pause = FIRST_EJECTION.multipliedBy(1L << Math.min(ejections++, 5));
        pause = pause.compareTo(LONGEST_EJECTION) > 0 ? LONGEST_EJECTION : pause;
        ejected = true;
        ejectedUntilNanos = clock.getAsLong() + pause.toNanos();
        LOG.warn("{} failed {} times: ejected for {} s", address, FAILURES_TO_EJECTION, pause.toSeconds());
    }

    /// A part of an answer has come, or a health check passed.
    void heard() {
        heard = clock.getAsLong();
    }

    /// When it was last heard, by the clock; 0 if never.
    long lastHeard() {
        return heard;
    }

    /// A health check passed.
    synchronized void healthy(String model) {
        heard();
        failedChecks = 0;
        if (!(health instanceof Readiness.Ready)) {
            LOG.info("{} is ready, model {}", address, model);
        }
        this.model = model;
        health = new Readiness.Ready();
    }

    /// A health check failed.
    ///
    /// @param certain whether one failure is enough, because nothing listens there
    synchronized void unhealthy(String reason, boolean certain) {
        failedChecks++;
        if (health instanceof Readiness.Ready && (certain || failedChecks >= CHECKS_TO_GONE)) {
            LOG.warn("{} is gone: {}", address, reason);
            health = whenGone;
        } else if (failedChecks == 1 && health instanceof Readiness.Loading) {
            LOG.info("waiting for {}: {}", address, reason);
        }
    }

    /// The server cannot serve until an operator intervenes.
    ///
    /// @param detail for the log
    synchronized void refuses(String reason, String detail) {
        if (!health.equals(new Readiness.Failed(reason))) {
            LOG.error("{}: {}: {}", address, reason, detail);
        }
        health = new Readiness.Failed(reason);
    }

    @Override
    public String toString() {
        return address.toString();
    }
}
