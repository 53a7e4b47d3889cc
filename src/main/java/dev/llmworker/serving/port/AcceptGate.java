package dev.llmworker.serving.port;

import dev.llmworker.serving.connection.ConnectionLimit;
import io.netty.bootstrap.ServerBootstrap;
import io.netty.channel.Channel;
import io.netty.channel.ChannelHandler.Sharable;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.vertx.core.Vertx;
import io.vertx.core.VertxOptions;
import io.vertx.core.impl.VertxBuilder;
import io.vertx.core.impl.transports.JDKTransport;
import io.vertx.core.net.NetServerOptions;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/// Counts connections from the moment they are accepted. Vert.x says that there is one only after its TLS handshake.
///
/// Threading: servers begin to listen one after the other; connections are accepted on the acceptor's thread.
final class AcceptGate extends JDKTransport {
    private volatile @Nullable ConnectionLimit next;

    Vertx vertx(VertxOptions options) {
        return new VertxBuilder(options).findTransport(this).init().vertx();
    }

    /// The server that listens next has this limit.
    void limitNext(ConnectionLimit limit) {
        next = limit;
    }

    @Override
    public void configure(NetServerOptions options, boolean domainSocket, ServerBootstrap bootstrap) {
        super.configure(options, domainSocket, bootstrap);
        bootstrap.handler(new Gate(Objects.requireNonNull(next)));
    }

    /// In the pipeline of a listening socket, whose messages are new connections.
    @Sharable
    private static final class Gate extends ChannelInboundHandlerAdapter {
        private final ConnectionLimit limit;

        Gate(ConnectionLimit limit) {
            this.limit = limit;
        }

        @Override
        public void channelRead(ChannelHandlerContext context, Object connection) {
            if (limit.admits((Channel) connection)) {
                context.fireChannelRead(connection);
            }
        }
    }
}
