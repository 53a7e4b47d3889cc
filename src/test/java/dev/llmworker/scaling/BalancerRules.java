package dev.llmworker.scaling;

import java.nio.file.Path;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// How a fake balancer treats its workers and its clients. What is not set is as one would wish it.
final class BalancerRules {
    enum Cut {
        /// The end of the TCP connection.
        FIN,
        RESET,
        /// A close frame without a code. The connection is left to the client.
        EMPTY_CLOSE,
        /// Nothing goes through any more, and nobody is told.
        FORGET
    }

    /// Its key, with the password `changeit`, makes the balancer speak TLS.
    @Nullable
    Path keyStore;

    /// The first requests are answered so, as while a worker starts: `502 Bad Gateway`.
    List<String> firstAnswers = List.of();

    int workers = 1;
    int maxWorkers = 4;
    /// Without anything in flight for that long, all workers are stopped; 0 is never.
    int idleTimeoutMillis;
    /// What a start takes, beyond the worker's own.
    int startMillis;
    boolean countsSockets = true;
    /// In flight, for each worker: more start another one.
    int requestsPerWorker = 100;
    /// Whether a request that finds no worker is held until one has started; else it is refused.
    boolean holdsRequests;
    boolean affinity = true;
    boolean workerIds = true;
    int upgradeMillis;
    boolean upgradesSerialise;
    boolean refusesUpgrades;
    /// Without a byte for that long, a WebSocket is cut; 0 is never.
    int idleCutMillis;
    /// At that age, a WebSocket is cut; 0 is never.
    int lifeCutMillis;
    Cut cut = Cut.FIN;
    /// At most that many in flight, idle WebSockets among them; others wait. 0 is no limit.
    int inFlightLimit;
    /// Multiplies all times.
    int slowness = 1;

    void slowDown() {
        idleTimeoutMillis *= slowness;
        startMillis *= slowness;
        upgradeMillis *= slowness;
        idleCutMillis *= slowness;
        lifeCutMillis *= slowness;
    }
}
