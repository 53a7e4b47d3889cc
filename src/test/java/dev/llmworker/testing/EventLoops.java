package dev.llmworker.testing;

import io.vertx.core.Vertx;

/// A way to see that a worker does not read, without waiting for a while: its event loops had the chance, and did not.
public final class EventLoops {
    private EventLoops() {}

    /// Returns when each event loop has looked once more for bytes that it can read.
    @SuppressWarnings("deprecation") // Vert.x 5 offers it by another type.
    public static void turn(Vertx vertx) {
        for (var loop : vertx.nettyEventLoopGroup()) {
            loop.submit(() -> {}).syncUninterruptibly();
        }
    }
}
