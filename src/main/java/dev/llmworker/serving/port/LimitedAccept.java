package dev.llmworker.serving.port;

import dev.llmworker.serving.connection.ConnectionLimit;
import io.netty.channel.Channel;
import io.netty.channel.ChannelFactory;
import io.netty.channel.ServerChannel;
import io.netty.channel.socket.nio.NioServerSocketChannel;
import io.vertx.core.impl.transports.JDKTransport;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/// Accepts connections up to a limit, and closes the others before anything is set up for them. Vert.x tells of a
/// connection only when its TLS handshake is done, and half a handshake holds an open file, too.
///
/// Threading: servers are opened one after the other; connections are accepted by acceptor threads.
final class LimitedAccept extends JDKTransport {
    private volatile @Nullable ConnectionLimit next;

    /// The server that is opened next has this limit.
    void limit(ConnectionLimit limit) {
        next = limit;
    }

    @Override
    public ChannelFactory<? extends ServerChannel> serverChannelFactory(boolean domainSocket) {
        var limit = Objects.requireNonNull(next, "a server has a limit");
        return () -> new Acceptor(limit);
    }

    private static final class Acceptor extends NioServerSocketChannel {
        private final ConnectionLimit limit;

        Acceptor(ConnectionLimit limit) {
            this.limit = limit;
        }

        @Override
        protected int doReadMessages(List<Object> accepted) throws Exception {
            var read = super.doReadMessages(accepted);
            if (read > 0 && accepted.getLast() instanceof Channel connection && !limit.admits(connection)) {
                accepted.removeLast();
                connection.unsafe().closeForcibly();
            }
            // Also if it is closed: there may be more to accept.
            return read;
        }
    }
}
