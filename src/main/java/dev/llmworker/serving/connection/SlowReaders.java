package dev.llmworker.serving.connection;

import dev.llmworker.serving.memory.MemoryBudget;
import io.netty.channel.Channel;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;

/// Cuts connections that do not take what is sent to them, HTTP and WebSocket alike: a stream that nobody reads would
/// keep its thread, its events and its socket for as long as the client likes. A client that reads slowly goes on. What
/// clients have not taken counts against the budget for memory.
///
/// Threading: any thread.
public final class SlowReaders {
    private static final long LOOK_MILLIS = 1_000;

    private final long limitMillis;
    private final MemoryBudget budget;
    private final Map<Channel, Backlog> backlogs = new ConcurrentHashMap<>();

    /// What a connection has been given and not taken.
    ///
    /// @param bytes in this process; the kernel's buffers are full then, too
    /// @param sinceMillis when it became so many
    /// @param memory of these bytes
    private record Backlog(long bytes, long sinceMillis, MemoryBudget.Lease memory) {
        Backlog of(long nowBytes, long nowMillis) {
            memory.count(nowBytes);
            return new Backlog(nowBytes, nowMillis, memory);
        }
    }

    public SlowReaders(ConnectionClock clock, Timeouts timeouts, MemoryBudget budget) {
        this.budget = budget;
        limitMillis = timeouts.send().toMillis();
        clock.every(LOOK_MILLIS, now -> backlogs.forEach((channel, last) -> look(channel, last, now)));
    }

    public void connected(Channel channel) {
        var none = new Backlog(0, 0, budget.lease());
        backlogs.put(channel, none);
        channel.closeFuture().addListener(_ -> {
            backlogs.remove(channel);
            none.memory().close();
        });
    }

    /// Whoever reads changes the number of bytes, and so does whoever still writes, who stops soon where nobody reads.
    private void look(Channel channel, Backlog last, long nowMillis) {
        var buffer = channel.unsafe().outboundBuffer();
        var bytes = buffer == null ? 0 : buffer.totalPendingWriteBytes();
        if (bytes == 0) {
            if (last.bytes() > 0) {
                backlogs.replace(channel, last, last.of(0, 0));
            }
        } else if (bytes != last.bytes()) {
            backlogs.replace(channel, last, last.of(bytes, nowMillis));
        } else if (nowMillis - last.sinceMillis() > limitMillis) {
            // From the front: Vert.x would first have all written that is left to write.
            channel.pipeline().firstContext().close();
        }
    }
}
