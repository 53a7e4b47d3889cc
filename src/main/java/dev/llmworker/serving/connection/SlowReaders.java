package dev.llmworker.serving.connection;

import dev.llmworker.serving.memory.MemoryBudget;
import io.netty.channel.Channel;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelOutboundBuffer;
import io.netty.channel.ChannelOutboundHandlerAdapter;
import io.netty.channel.ChannelPromise;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import org.jspecify.annotations.Nullable;

/// Cuts connections that do not take what is sent to them, HTTP and WebSocket alike: a stream that nobody reads would
/// keep its thread, its events and its socket for as long as the client likes. A client that reads slowly goes on. What
/// clients have not taken counts against the budget for memory.
///
/// Threading: any thread.
public final class SlowReaders {
    private static final long LOOK_MILLIS = 1_000;

    private final long limitMillis;
    private final MemoryBudget budget;
    private final Set<Backlog> backlogs = ConcurrentHashMap.newKeySet();

    public SlowReaders(ConnectionClock clock, Timeouts timeouts, MemoryBudget budget) {
        this.budget = budget;
        limitMillis = timeouts.send().toMillis();
        clock.every(LOOK_MILLIS, now -> backlogs.forEach(backlog -> backlog.look(now)));
    }

    public void connected(Channel channel) {
        var backlog = new Backlog(channel);
        // Next to the socket, so that it sees what TLS makes of an answer.
        channel.pipeline().addFirst(backlog);
        backlogs.add(backlog);
        channel.closeFuture().addListener(_ -> {
            backlogs.remove(backlog);
            backlog.memory.close();
        });
    }

    /// How much of what a connection was given has left this process. It only grows.
    ///
    /// @param writes that have left as a whole
    /// @param bytes of the next one
    private record Left(long writes, long bytes) {}

    /// What a connection has been given and has not taken. The kernel's buffers are full then, too.
    ///
    /// Threading: the connection's event loop, but for the look at whether anything waits.
    private final class Backlog extends ChannelOutboundHandlerAdapter {
        private final Channel channel;
        private final MemoryBudget.Lease memory = budget.lease();
        private long writes;
        private long flushedWrites;

        /// At the last look. Null if nothing waited then.
        private @Nullable Left last;

        /// When this was first seen.
        private long sinceMillis;

        private volatile boolean hasWaited;

        Backlog(Channel channel) {
            this.channel = channel;
        }

        @Override
        public void write(ChannelHandlerContext context, Object message, ChannelPromise promise) {
            writes++;
            context.write(message, promise);
        }

        @Override
        public void flush(ChannelHandlerContext context) {
            flushedWrites = writes;
            context.flush();
        }

        /// Called on any thread. Most connections have nothing that waits.
        void look(long nowMillis) {
            var buffer = channel.unsafe().outboundBuffer();
            if (hasWaited || buffer != null && buffer.totalPendingWriteBytes() > 0) {
                channel.eventLoop().execute(() -> check(channel.unsafe().outboundBuffer(), nowMillis));
            }
        }

        /// The number of bytes that wait does not tell: as many may have come as have left.
        private void check(@Nullable ChannelOutboundBuffer buffer, long nowMillis) {
            var bytes = buffer == null ? 0 : buffer.totalPendingWriteBytes();
            memory.count(bytes);
            hasWaited = bytes > 0;
            var left = buffer == null || bytes == 0
                    ? null
                    : new Left(flushedWrites - buffer.size(), buffer.currentProgress());
            if (left == null || !left.equals(last)) {
                last = left;
                sinceMillis = nowMillis;
            } else if (nowMillis - sinceMillis > limitMillis) {
                // From the front: Vert.x would first have all written that is left to write.
                channel.pipeline().firstContext().close();
            }
        }
    }
}
