package dev.llmworker.serving.connection;

import dev.llmworker.generation.Lease;
import io.netty.channel.Channel;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicInteger;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// How many connections a port may have: in all, so that files can still be opened, and from one address. Those beyond
/// are closed when they are accepted.
///
/// Threading: any thread.
public final class ConnectionLimit {
    private static final Logger LOG = LoggerFactory.getLogger(ConnectionLimit.class);
    private static final long WARNING_MILLIS = 10_000;

    private final int most;
    private final int mostPerAddress;
    private final ConnectionClock clock;
    private final AtomicInteger open = new AtomicInteger();
    private final Map<InetAddress, Integer> openByAddress = new ConcurrentHashMap<>();
    private long warnedMillis = -WARNING_MILLIS;

    /// @param mostPerAddress 0 for no limit
    public ConnectionLimit(int most, int mostPerAddress, ConnectionClock clock) {
        this.most = most;
        this.mostPerAddress = mostPerAddress;
        this.clock = clock;
    }

    /// Counts a connection until it closes.
    ///
    /// @param channel was accepted, and has no event loop yet
    /// @return false if it is one too many, and is closed
    public boolean admits(Channel channel) {
        var count = open.incrementAndGet();
        var address = mostPerAddress > 0 && channel.remoteAddress() instanceof InetSocketAddress remote
                ? remote.getAddress()
                : null;
        var fromAddress = address == null ? 0 : openByAddress.merge(address, 1, Integer::sum);
        var place = Lease.of(() -> closed(address));
        if (count <= most && (address == null || fromAddress <= mostPerAddress)) {
            channel.closeFuture().addListener(_ -> place.close());
            return true;
        }
        place.close();
        channel.unsafe().closeForcibly();
        warn(count > most ? "MAX_CONNECTIONS, " + most : "MAX_CONNECTIONS_PER_ADDRESS, " + mostPerAddress);
        return false;
    }

    private void closed(@Nullable InetAddress address) {
        open.decrementAndGet();
        if (address != null) {
            openByAddress.computeIfPresent(address, (_, before) -> before == 1 ? null : before - 1);
        }
    }

    /// How many connections are open.
    public int open() {
        return open.get();
    }

    private synchronized void warn(String limit) {
        var nowMillis = clock.nowMillis();
        if (nowMillis - warnedMillis >= WARNING_MILLIS) {
            warnedMillis = nowMillis;
            LOG.warn("connections are closed because more came than {}", limit);
        }
    }
}
