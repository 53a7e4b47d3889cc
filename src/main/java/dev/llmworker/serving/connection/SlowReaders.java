package dev.llmworker.serving.connection;

import io.netty.channel.Channel;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;

/// Cuts connections that do not take what is sent to them, HTTP and WebSocket alike: a stream that nobody reads would
/// keep its thread, its events and its socket for as long as the client likes. A client that reads slowly goes on.
///
/// Threading: any thread.
public final class SlowReaders {
    private static final long LOOK_MILLIS = 1_000;

    private final long limitMillis;
    private final Map<Channel, Backlog> backlogs = new ConcurrentHashMap<>();

    /// What a connection has been given and not taken.
    ///
    /// @param bytes in this process; the kernel's buffers are full then, too
    /// @param sinceMillis when it became so many
    private record Backlog(long bytes, long sinceMillis) {
        static final Backlog NONE = new Backlog(0, 0);
    }

    public SlowReaders(ConnectionClock clock, Timeouts timeouts) {
        limitMillis = timeouts.send().toMillis();
        clock.every(LOOK_MILLIS, now -> backlogs.forEach((channel, last) -> look(channel, last, now)));
    }

    public void connected(Channel channel) {
        backlogs.put(channel, Backlog.NONE);
        channel.closeFuture().addListener(_ -> backlogs.remove(channel));
    }

    /// Whoever reads changes the number of bytes, and so does whoever still writes, who stops soon where nobody reads.
    private void look(Channel channel, Backlog last, long nowMillis) {
        var buffer = channel.unsafe().outboundBuffer();
        var bytes = buffer == null ? 0 : buffer.totalPendingWriteBytes();
        if (bytes == 0) {
            if (last.bytes() > 0) {
                backlogs.replace(channel, last, Backlog.NONE);
            }
        } else if (bytes != last.bytes()) {
            backlogs.replace(channel, last, new Backlog(bytes, nowMillis));
        } else if (nowMillis - last.sinceMillis() > limitMillis) {
            // From the front: Vert.x would first have all written that is left to write.
            channel.pipeline().firstContext().close();
        }
    }
}
